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
    private readonly DeviceContext device;
    private readonly DeviceBuffer inputs;
    private readonly DeviceArena arena;
    private readonly KvCache cache;
    private readonly AttentionPlans plans;
    private readonly ForwardContext forward;
    private readonly Stack<int> freePages = new();
    private readonly int maxTokens;

    public StepRunner(DeviceContext device, IModel model, int pageSize, int maxTokens, int numPages = 0, int seed = 1)
    {
        this.device = device;
        this.maxTokens = maxTokens;
        Model = model;
        PageSize = pageSize;
        if (numPages == 0) numPages = 16384 / pageSize;
        cache = new KvCache(device, model, numPages, pageSize);
        for (int layer = 0; layer < model.Config.NumLayers; layer++)
        {
            device.Fill(cache.Keys(layer), 0xFF);
            device.Fill(cache.Values(layer), 0xFF);
        }
        plans = new AttentionPlans(device, model, pageSize, maxTokens, maxRequests: 64);
        arena = new DeviceArena(device, model.ActivationBytes(maxTokens, maxTokens), "activations");
        inputs = new DeviceBuffer(device, 4L * 4 * maxTokens, "step inputs");
        forward = new ForwardContext(device, arena, cache, plans);
        // Page 0 is the dummy.
        int[] order = [.. Enumerable.Range(1, numPages - 1)];
        new Random(seed).Shuffle(order);
        foreach (int page in order) freePages.Push(page);
    }

    public IModel Model { get; }
    public int PageSize { get; }
    public DeviceArena Arena => arena;
    public ForwardContext Context => forward;

    /// <summary>Computes the next `Count` tokens of each sequence in one step.</summary>
    /// <returns>Logits of all of them, [step tokens][vocabulary], or of the last of each sequence.</returns>
    public float[][] Step(IReadOnlyList<(Sequence Sequence, int Count)> work, bool allRows)
    {
        Prepare(work, allRows);
        device.Fill(arena.Allocate("poison", DType.U8, arena.CapacityBytes), 0xFF);
        arena.Reset();
        Tensor logits = Model.Forward(forward);
        int vocabulary = Model.Config.VocabSize;
        var flat = new float[logits.NumElements];
        device.Download(flat.AsSpan(), logits);
        var rows = new float[logits.NumRows][];
        for (int i = 0; i < rows.Length; i++) rows[i] = flat.AsSpan(i * vocabulary, vocabulary).ToArray();
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
            while (sequence.Pages.Count * PageSize < length) sequence.Pages.Add(freePages.Pop());
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
        arena.Reset();
        forward.InputIds = Upload(0, ids);
        forward.Positions = Upload(1, positions);
        forward.Slots = Upload(2, slots);
        forward.LogitRows = allRows ? default : Upload(3, lastRows);
        plans.Update(queryStart.ToArray(), kvLength.ToArray(), pageStart.ToArray(), pages.ToArray());
    }

    public void Release(Sequence sequence)
    {
        foreach (int page in sequence.Pages) freePages.Push(page);
        sequence.Pages.Clear();
        sequence.NumComputed = 0;
    }

    public void Dispose()
    {
        arena.Dispose();
        inputs.Dispose();
        plans.Dispose();
        cache.Dispose();
    }

    private Tensor Upload(int place, List<int> values)
    {
        Tensor tensor = inputs.View(4L * place * maxTokens, DType.I32, values.Count);
        device.Upload<int>(tensor, values.ToArray());
        return tensor;
    }
}
