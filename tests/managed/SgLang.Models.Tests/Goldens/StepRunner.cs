using SgLang.Models.Experts;
using SgLang.Runtime;

namespace SgLang.Models.Tests;

/// <summary>A growing token sequence and where its keys and values are.</summary>
internal sealed class Sequence(IEnumerable<int> tokens)
{
    public List<int> Tokens { get; } = [.. tokens];

    /// <summary>Tokens whose keys and values are in the cache.</summary>
    public int NumComputed { get; set; }
    public List<int> Pages { get; } = [];
}

/// <summary>
/// Plays the scheduler: any mix of prefill chunks and decode tokens in a step, pages handed out in random order. The cache and the arena start
/// as NaN, and the arena is exactly as large as the model says that it needs, so that whatever is read unwritten or written outside shows.
/// </summary>
internal sealed class StepRunner : IDisposable
{
    private readonly DeviceContext _device;
    private readonly DeviceBuffer _inputs;
    private readonly DeviceArena _arena;
    private readonly KvCache _cache;
    private readonly AttentionPlans _plans;
    private readonly ForwardContext _forward;
    private readonly Stack<int> _freePages = new();
    private readonly int _maxTokens;

    public StepRunner(DeviceContext device, IModel model, int pageSize, int maxTokens, int numPages = 0, int seed = 1, RankCommunicators? ranks = null)
    {
        _device = device;
        _maxTokens = maxTokens;
        Model = model;
        PageSize = pageSize;
        if (numPages == 0) numPages = 16384 / pageSize;
        _cache = new KvCache(device, model, numPages, pageSize);
        for (int layer = (int)model.Share.Layers.First; layer < model.Share.Layers.End; layer++)
        {
            device.Fill(_cache.Keys(layer), 0xFF);
            device.Fill(_cache.Values(layer), 0xFF);
        }
        _plans = new AttentionPlans(device, model, pageSize, maxTokens, maxRequests: 64);
        _arena = new DeviceArena(device, model.ActivationBytes(maxTokens, maxTokens), "activations");
        _inputs = new DeviceBuffer(device, 4L * 4 * maxTokens, "step inputs");
        if (model.ExchangeRule is { } rule) Exchange = new ExpertExchange(device, rule, maxTokens);
        if (model.Share.Place.AttentionDpSize > 1) Spread = new SpreadTokens(device, model.Share.Place, maxTokens);
        _forward = new ForwardContext(device, _arena, _cache, _plans, ranks) { Exchange = Exchange, Spread = Spread };
        // Page 0 is the dummy.
        int[] order = [.. Enumerable.Range(1, numPages - 1)];
        new Random(seed).Shuffle(order);
        foreach (int page in order) _freePages.Push(page);
    }

    public IModel Model { get; }
    public int PageSize { get; }
    public DeviceArena Arena => _arena;

    /// <summary>Null where the model never exchanges tokens.</summary>
    public ExpertExchange? Exchange { get; }

    /// <summary>Null but with attention by data parallelism, where it is told each step's tokens.</summary>
    public SpreadTokens? Spread { get; }
    public ForwardContext Context => _forward;

    /// <summary>Computes the next `Count` tokens of each sequence in one step.</summary>
    /// <returns>Logits of all of them, [step tokens][vocabulary], or of the last of each sequence; none but on the last pipeline stage.</returns>
    public float[][] Step(IReadOnlyList<(Sequence Sequence, int Count)> work, bool allRows)
    {
        Prepare(work, allRows);
        _device.Fill(_arena.Allocate("poison", DType.U8, _arena.CapacityBytes), 0xFF);
        _arena.Reset();
        if (!Model.Share.Place.IsLastStage)
        {
            Model.ForwardHidden(_forward);
            return [];
        }
        Tensor logits = Model.Forward(_forward);
        var rows = new float[logits.NumRows][];
        for (int i = 0; i < rows.Length; i++)
        {
            rows[i] = new float[Model.Config.VocabSize];
            _device.Download(rows[i].AsSpan(), logits.Rows(i, 1));
        }
        return rows;
    }

    /// <summary>Reserves pages, uploads the step's inputs and updates the plans; <see cref="IModel.Forward"/> may then run.</summary>
    public void Prepare(IReadOnlyList<(Sequence Sequence, int Count)> work, bool allRows)
    {
        var ids = new List<int>();
        var positions = new List<int>();
        var slots = new List<int>();
        var lastRows = new List<int>();
        var queryStart = new List<int> { 0 };
        var kvLength = new List<int>();
        var pageStart = new List<int>();
        var pages = new List<int>();
        foreach ((Sequence sequence, int count) in work)
        {
            int length = sequence.NumComputed + count;
            while (sequence.Pages.Count * PageSize < length) sequence.Pages.Add(_freePages.Pop());
            for (int position = sequence.NumComputed; position < length; position++)
            {
                ids.Add(sequence.Tokens[position]);
                positions.Add(position);
                slots.Add(sequence.Pages[position / PageSize] * PageSize + position % PageSize);
            }
            sequence.NumComputed = length;
            queryStart.Add(ids.Count);
            kvLength.Add(length);
            pageStart.Add(pages.Count);
            for (int i = 0; i < (length + PageSize - 1) / PageSize; i++) pages.Add(sequence.Pages[i]);
            lastRows.Add(ids.Count - 1);
        }
        _arena.Reset();
        _forward.InputIds = Upload(0, ids);
        _forward.Positions = Upload(1, positions);
        _forward.Slots = Upload(2, slots);
        _forward.LogitRows = allRows ? default : Upload(3, lastRows);
        _plans.Update(queryStart.ToArray(), kvLength.ToArray(), pageStart.ToArray(), pages.ToArray());
    }

    public void Release(Sequence sequence)
    {
        foreach (int page in sequence.Pages) _freePages.Push(page);
        sequence.Pages.Clear();
        sequence.NumComputed = 0;
    }

    public void Dispose()
    {
        _arena.Dispose();
        Exchange?.Dispose();
        Spread?.Dispose();
        _inputs.Dispose();
        _plans.Dispose();
        _cache.Dispose();
    }

    private Tensor Upload(int place, List<int> values)
    {
        Tensor tensor = _inputs.View(4L * place * _maxTokens, DType.I32, values.Count);
        _device.Upload<int>(tensor, values.ToArray());
        return tensor;
    }
}
