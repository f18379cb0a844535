using SgLang.Core;
using SgLang.Runtime;
using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>
/// Draws a step's tokens: makes the sparse lists of the sampling operator of those requests whose logits are edited, and keeps the counts that
/// penalties need. Lives on a rank's thread; allocates nothing in steady state.
/// </summary>
internal sealed class Sampler(DeviceContext context, int maxRows) : IDisposable
{
    private readonly AllowedTokens _allowed = new(context, maxRows);
    private readonly TokenCounts?[] _countsOfRow = new TokenCounts?[maxRows];
    private readonly int[] _penaltyStart = new int[maxRows + 1];
    private readonly int[] _biasStart = new int[maxRows + 1];
    private GrowingArray<int> _penaltyIds;
    private GrowingArray<int> _penaltyCounts;
    private GrowingArray<int> _biasIds;
    private GrowingArray<float> _biasValues;

    // Draws of the step queued last that later steps depend on: whose, its row, and the place among the step's samples.
    private readonly (Request Request, int Row, int Sample)[] _followed = new (Request, int, int)[maxRows];
    private int _numFollowed;

    /// <summary>Whether <see cref="Drawn"/> must be told the ids of the step queued last before another step is sampled.</summary>
    public bool AwaitsDraws => _numFollowed > 0;

    /// <summary>Queues the draws of a run of a plan's samples.</summary>
    /// <param name="batch">Has begun with the plan.</param>
    /// <param name="first">Place of the first among the plan's samples.</param>
    /// <param name="ids">I32 [n], written.</param>
    /// <param name="logprobs">F32 [n], written; none when no request wants them.</param>
    /// <param name="logits">F32 [n, vocabulary], changed by penalties and biases.</param>
    public void Sample(StepPlan plan, SampledBatch batch, int first, in Tensor ids, in Tensor logprobs, in Tensor logits)
    {
        ReadOnlySpan<int> sampled = plan.SampleIndex.Slice(first, (int)ids.NumRows);
        _penaltyIds.Clear();
        _penaltyCounts.Clear();
        _biasIds.Clear();
        _biasValues.Clear();
        _allowed.Begin(sampled.Length, (int)(logits.NumElements / logits.NumRows));
        for (int i = 0; i < sampled.Length; i++)
        {
            if (batch.IsPlain(first + i))
            {
                _penaltyStart[i + 1] = _penaltyIds.Count;
                _biasStart[i + 1] = _biasIds.Count;
                continue;
            }
            Request request = plan.Requests[sampled[i]];
            int position = batch.Position(first + i);
            if (SampledBatch.HasPenalty(request.SamplingParams)) AddPenalties(CountsOf(plan.Rows[sampled[i]], request, position));
            ISampledRequest owner = (ISampledRequest)request.Owner!;
            bool mustStop = owner.Grammar is { } grammar && _allowed.Fill(i, plan.Rows[sampled[i]], request, position, grammar).MustStop;
            AddBiases(request, owner, mayStop: mustStop || position >= request.MinNewTokens);
            if (IsFollowed(request)) _followed[_numFollowed++] = (request, plan.Rows[sampled[i]], first + i);
            _penaltyStart[i + 1] = _penaltyIds.Count;
            _biasStart[i + 1] = _biasIds.Count;
        }
        SamplingLists lists = default;
        if (_penaltyIds.Count > 0)
        {
            lists.PenaltyStart = _penaltyStart.AsSpan(0, sampled.Length + 1);
            lists.PenaltyIds = _penaltyIds.Span;
            lists.PenaltyCounts = _penaltyCounts.Span;
        }
        if (_biasIds.Count > 0)
        {
            lists.BiasStart = _biasStart.AsSpan(0, sampled.Length + 1);
            lists.BiasIds = _biasIds.Span;
            lists.BiasValues = _biasValues.Span;
        }
        Ops.Sample(context, ids, logprobs, logits, batch.Rows(first, sampled.Length), lists, _allowed.Send());
    }

    /// <summary>The ids of all samples of the step queued last: penalties of later steps count them, and grammars go on from them.</summary>
    public void Drawn(ReadOnlySpan<int> ids)
    {
        foreach ((Request request, int row, int sample) in _followed.AsSpan(0, _numFollowed))
        {
            if (SampledBatch.HasPenalty(request.SamplingParams)) _countsOfRow[row]!.Add(ids[sample]);
            if (((ISampledRequest)request.Owner!).Grammar is not null) _allowed.Drawn(row, ids[sample]);
        }
        _numFollowed = 0;
    }

    public void Dispose() => _allowed.Dispose();

    private static bool IsFollowed(Request request) => SampledBatch.HasPenalty(request.SamplingParams) || ((ISampledRequest)request.Owner!).Grammar is not null;

    private void AddPenalties(TokenCounts counts)
    {
        foreach ((int id, int count) in counts)
        {
            _penaltyIds.Add(id);
            _penaltyCounts.Add(count);
        }
    }

    private void AddBiases(Request request, ISampledRequest owner, bool mayStop)
    {
        if (request.SamplingParams.LogitBias is { } biases)
            foreach ((int id, float bias) in biases)
            {
                _biasIds.Add(id);
                _biasValues.Add(bias);
            }
        if (mayStop) return;
        foreach (int id in owner.StopTokenIds)
        {
            _biasIds.Add(id);
            _biasValues.Add(float.NegativeInfinity);
        }
    }

    /// <summary>
    /// A row changes hands, and a retracted request comes back, only in a prefill step; no result of the request is in flight then, so its
    /// committed output is safe to read.
    /// </summary>
    private TokenCounts CountsOf(int row, Request request, int position)
    {
        TokenCounts counts = _countsOfRow[row] ??= new TokenCounts();
        if (!counts.IsOf(request, position)) counts.Restart(request, request.OutputIds[..position]);
        return counts;
    }

    /// <summary>How often a request has generated each id.</summary>
    private sealed class TokenCounts
    {
        private readonly Dictionary<int, int> _counts = [];

        private Request? _owner;
        private int _total;
        private int _numRetractions;

        // A token drawn in vain before a retraction may differ from the one that takes its place after it.
        public bool IsOf(Request request, int position) => request == _owner && position == _total && request.NumRetractions == _numRetractions;

        public void Restart(Request owner, ReadOnlySpan<int> output)
        {
            _counts.Clear();
            _owner = owner;
            _numRetractions = owner.NumRetractions;
            _total = 0;
            foreach (int id in output) Add(id);
        }

        public void Add(int id)
        {
            _counts[id] = _counts.GetValueOrDefault(id) + 1;
            _total++;
        }

        public Dictionary<int, int>.Enumerator GetEnumerator() => _counts.GetEnumerator();
    }

    private struct GrowingArray<T>
    {
        private T[]? _items;

        public int Count { get; private set; }
        public readonly ReadOnlySpan<T> Span => _items.AsSpan(0, Count);

        public void Clear() => Count = 0;

        public void Add(T item)
        {
            if (_items is null || Count == _items.Length) Array.Resize(ref _items, Math.Max(64, Count * 2));
            _items[Count++] = item;
        }
    }
}
