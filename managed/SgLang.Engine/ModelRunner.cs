using SgLang.Core;
using SgLang.Models;
using SgLang.Models.Experts;
using SgLang.Runtime;
using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>The largest step a runner must be able to take.</summary>
internal readonly record struct StepLimits(int MaxTokens, int MaxRequests)
{
    private const int MostLogitRows = 512;

    /// <summary>Rows whose logits are computed and sampled at once: more take turns, to bound the memory of logits.</summary>
    public int LogitRows => Math.Min(MaxRequests, MostLogitRows);
}

/// <summary>
/// Runs steps of a model on one device. A step's arrays go through page-locked memory to the device in one copy; decode steps are replayed
/// from graphs where they were captured, everything else runs eagerly; the sampler draws. Sampled ids stay in a table on the device, where
/// the next step's inputs refer to them by row, so that a step can be queued while the one before it still runs.
/// </summary>
internal sealed class ModelRunner : IModelRunner
{
    private readonly DeviceContext _device;
    private readonly IModel _model;
    private readonly StepLimits _limits;
    private readonly KvCache _kvCache;
    private readonly AttentionPlans _attention;
    private readonly DeviceArena _arena;
    private readonly ForwardContext _forward;
    private readonly SampledBatch _batch;
    private readonly Sampler _sampler;
    private readonly PromptScorer _scorer;
    private readonly StepInputs _inputs;
    private readonly StepResult[] _results;
    private readonly DeviceBuffer _inputIds;
    private readonly DeviceBuffer _lastIds;
    private readonly RankTrace _trace;
    private readonly RankCommunicators? _ranks;
    private readonly RankPlace _place;
    private readonly DrawnIds? _drawnIds;
    private readonly StepRounds? _rounds;
    private readonly bool _originalLogprobs;
    private GraphRunner? _graphs;
    private StepResult? _lastResult;
    private int _lastSamples;

    /// <summary>Sees each step's logits, F32 [n, vocabulary], before the samples from the given one on are drawn; for comparing numbers with a reference.</summary>
    internal Action<DeviceContext, int, Tensor>? LogitsObserver { get; set; }

    /// <summary>Tokens drawn so far without gathering logits; for tests.</summary>
    internal long NumGreedyOverParts { get; private set; }

    /// <summary>Takes over the device, the model and the communicators.</summary>
    /// <param name="originalLogprobs">Score draws as if their temperature were 1.</param>
    /// <param name="experts">Counts what routers choose; taken over.</param>
    /// <param name="numMicroBatches">Steps of different requests under way in the pipeline; one more may be launched.</param>
    /// <param name="rounds">Where replicas share ranks: tells the tokens of each step; steps of padding have a slot more.</param>
    public ModelRunner(DeviceContext device, IModel model, int numPages, int pageSize, StepLimits limits, RankTrace trace, RankCommunicators? ranks = null,
        bool originalLogprobs = false, int numMicroBatches = 1, ExpertCounter? experts = null, StepRounds? rounds = null)
    {
        _rounds = rounds;
        _device = device;
        _model = model;
        _limits = limits;
        _trace = trace;
        _originalLogprobs = originalLogprobs;
        _ranks = ranks;
        _place = model.Share.Place;
        int tokens = limits.MaxTokens, requests = limits.MaxRequests;
        _kvCache = new KvCache(device, model, numPages, pageSize);
        _attention = new AttentionPlans(device, model, pageSize, tokens, requests);
        _arena = new DeviceArena(device, ActivationBytes(model, limits), "activations");
        _forward = new ForwardContext(device, _arena, _kvCache, _attention, ranks)
        {
            Trace = trace.Modules, Experts = experts, Exchange = ExchangeFor(device, model, tokens), Spread = rounds is null ? null : new SpreadTokens(device, _place, tokens),
        };
        _batch = new SampledBatch(requests);
        _sampler = new Sampler(device, requests);
        _scorer = new PromptScorer(device, model, _forward);
        // Token sources, positions, slots; rows of the samples, their last tokens, those of embedded prompts; pages to copy from and to.
        int slots = numMicroBatches + (rounds is null ? 1 : 2);
        _inputs = new StepInputs(device, slots, tokens, tokens, tokens, requests, requests, requests, requests, requests);
        _results = [.. Enumerable.Range(0, slots).Select(_ => new StepResult(device, requests))];
        _inputIds = new DeviceBuffer(device, (long)tokens * sizeof(int), "input ids");
        _lastIds = new DeviceBuffer(device, (long)requests * sizeof(int), "last token of each row");
        if (_place.PpSize > 1) _drawnIds = new DrawnIds(device, ranks, requests, numMicroBatches);
        device.Fill(_lastIds.AsTensor(DType.I32, requests), 0);
    }

    /// <summary>Device memory for the activations of the largest step.</summary>
    public static long ActivationBytes(IModel model, StepLimits limits) =>
        model.ActivationBytes(limits.MaxTokens, Math.Max(limits.LogitRows, Math.Min(limits.MaxTokens, PromptScorer.RowsPerBlock)));

    public DeviceContext Device => _device;

    /// <summary>Null where nothing is counted.</summary>
    public ExpertCounter? Experts => _forward.Experts;

    /// <summary>Null where tokens are never exchanged.</summary>
    public ExpertExchange? Exchange => _forward.Exchange;

    /// <summary>Whether <see cref="Launch"/> returns before the work is done.</summary>
    public bool IsAsynchronous => _device.Kind != DeviceKind.Cpu;

    /// <summary>Captures decode steps of these sizes, none above the most logit rows; later decode steps are replayed.</summary>
    /// <param name="progress">(sizes done, sizes in all).</param>
    /// <param name="profile">Told of each size's recording; null for nobody.</param>
    public void CaptureGraphs(GraphBatchSizes sizes, Action<int, int>? progress, IGraphRecorder? recorder = null, GraphCaptureProfile? profile = null)
    {
        _graphs = new GraphRunner(sizes, _model, _forward, _inputs, _inputIds, LastIds, recorder ?? new DeviceGraphRecorder());
        _graphs.Capture(progress, profile is null ? null : (size, record) => profile.Record(_trace, size, record));
    }

    public void Launch(StepPlan plan, StepOutcome outcome)
    {
        long start = _trace.BeginStep(outcome.Trace, outcome.Slot);
        LaunchStep(plan, outcome);
        _trace.EndStep(start, plan, outcome.Slot);
    }

    public void Complete(StepPlan plan, StepOutcome outcome)
    {
        StepResult result = _results[outcome.Slot];
        if (_place.IsLastStage) result.Wait();
        _trace.Completed(plan, outcome.Slot);
        if (_place.IsLastStage) result.Read(plan, outcome);
    }

    public void Dispose()
    {
        try
        {
            _device.Synchronize();
        }
        finally
        {
            foreach (IDisposable? owned in (ReadOnlySpan<IDisposable?>)
                     [
                         _trace, _graphs, _forward.Experts, _forward.Exchange, _forward.Spread, _sampler, _drawnIds, _ranks, .. _results, _lastIds, _inputIds, _inputs, _scorer, _arena, _attention, _kvCache, _model, _device,
                     ])
                owned?.Dispose();
        }
    }

    private static ExpertExchange? ExchangeFor(DeviceContext device, IModel model, int maxTokens) =>
        model.ExchangeRule is { } rule ? new ExpertExchange(device, rule, maxTokens) : null;

    private Tensor LastIds => _lastIds.AsTensor(DType.I32, _lastIds.NumBytes / sizeof(int));

    private void LaunchStep(StepPlan plan, StepOutcome outcome)
    {
        StepResult result = _results[outcome.Slot];
        _forward.Spread?.Begin(_rounds!.Tokens);
        _batch.Begin(plan);
        WantedScores wanted = _batch.Wanted;
        long preparing = _trace.Begin();
        _inputs.Begin(outcome.Slot);
        if (_drawnIds is not null && _place.IsFirstStage) _drawnIds.ReceiveFor(plan, LastIds);
        if (_graphs?.SizeFor(plan) is > 0 and int size)
        {
            Tensor replayed = _graphs.Run(plan, size, out Tensor rows);
            _trace.End(preparing, _trace.Spans.PrepareInputs);
            CountDraws();
            Draw(plan, 0, rows, replayed, wanted, result);
            Finish(plan, wanted, result);
            if (_ranks is not null) result.Wait();
            return;
        }
        _arena.Reset();
        Tensor samples = PrepareEagerly(plan, out Tensor lastTokens, out Tensor embedded);
        _trace.End(preparing, _trace.Spans.PrepareInputs);
        Tensor hidden = _model.ForwardHidden(_forward);
        if (!_place.IsLastStage)
        {
            if (_place.IsFirstStage && plan.NumSamples > 0) ExpectIds(plan);
            _device.Synchronize();
            return;
        }
        if (plan.HasInputLogprobs) _scorer.Score(plan, hidden, outcome);
        if (plan.NumEmbeddings > 0) QueueEmbeddings(hidden, embedded, result);
        CountDraws();
        for (int first = 0; first < plan.NumSamples; first += _limits.LogitRows)
        {
            using DeviceArena.Scope block = _arena.EnterScope();
            int count = Math.Min(_limits.LogitRows, plan.NumSamples - first);
            // Where every token samples, its logits are a row of the hidden states as they lie.
            Tensor own = plan.NumSamples == plan.NumTokens
                ? _model.OwnLogits(_forward, hidden.Rows(first, count), default)
                : _model.OwnLogits(_forward, hidden, lastTokens.Rows(first, count));
            if (DrawsOverParts(first, count, wanted)) DrawGreedy(first, samples.Rows(first, count), own, result);
            else Draw(plan, first, samples.Rows(first, count), _model.WholeLogits(_forward, own), wanted, result);
            // The sampler's token masks are written again for the next block.
            if (_sampler.AwaitsDraws && first + count < plan.NumSamples) _device.Synchronize();
        }
        Finish(plan, wanted, result);
        // A rank that fails must say so before the others' next step.
        if (_ranks is not null) result.Wait();
    }

    /// <summary>Tells the first stage which rows the last one will send ids for.</summary>
    private void ExpectIds(StepPlan plan)
    {
        ReadOnlySpan<int> sampled = plan.SampleIndex;
        Span<int> rows = sampled.Length <= 1024 ? stackalloc int[sampled.Length] : new int[sampled.Length];
        for (int i = 0; i < rows.Length; i++) rows[i] = plan.Rows[sampled[i]];
        _drawnIds!.Expect(rows);
    }

    /// <summary>Sends the step's arrays, copies pages and divides attention.</summary>
    /// <param name="lastTokens">I32 [samples]: where each sample's last token is among the step's.</param>
    /// <param name="embedded">I32 [embeddings]: where the last token of each embedded prompt is among the step's.</param>
    /// <returns>I32 [samples]: rows of the samples in the table of last tokens.</returns>
    private Tensor PrepareEagerly(StepPlan plan, out Tensor lastTokens, out Tensor embedded)
    {
        Tensor sources = _inputs.Add(plan.TokenSources);
        _forward.Positions = _inputs.Add(plan.Positions);
        _forward.Slots = _inputs.Add(plan.Slots);
        Span<int> rows = _inputs.Add(plan.NumSamples, out Tensor rowsOnDevice);
        Span<int> last = _inputs.Add(plan.NumSamples, out lastTokens);
        ReadOnlySpan<int> sampled = plan.SampleIndex;
        for (int i = 0; i < sampled.Length; i++)
        {
            rows[i] = plan.Rows[sampled[i]];
            last[i] = plan.QueryStart[sampled[i] + 1] - 1;
        }
        Span<int> ends = _inputs.Add(plan.NumEmbeddings, out embedded);
        for (int i = 0, next = 0; next < ends.Length; i++)
            if (plan.EndsEmbedding(i)) ends[next++] = plan.QueryStart[i + 1] - 1;
        Tensor destinations = _inputs.Add(plan.CopyDestinations);
        Tensor origins = _inputs.Add(plan.CopySources);
        _inputs.Send();
        if (plan.NumCopies > 0) _kvCache.CopyPages(_device, destinations, origins);
        _forward.InputIds = _inputIds.AsTensor(DType.I32, plan.NumTokens);
        Ops.TokenResolve(_device, _forward.InputIds, sources, LastIds);
        _attention.Update(plan.QueryStart, plan.KvLength, plan.PageStart[..plan.NumRequests], plan.Pages);
        return rowsOnDevice;
    }

    /// <summary>Queues the last norm of some of the step's hidden states, and their copies to the host.</summary>
    /// <param name="rows">I32 [n].</param>
    private void QueueEmbeddings(in Tensor hidden, in Tensor rows, StepResult result)
    {
        PromptEmbeddings embeddings = result.Embeddings((int)rows.NumRows, _model.DType, _model.Config.HiddenSize);
        for (int first = 0; first < rows.NumRows; first += _limits.LogitRows)
        {
            using DeviceArena.Scope block = _arena.EnterScope();
            int count = Math.Min(_limits.LogitRows, (int)rows.NumRows - first);
            embeddings.Queue(first, _model.LastHidden(_forward, hidden, rows.Rows(first, count)));
        }
    }

    /// <summary>
    /// Penalties count what earlier steps drew, which is known when the step before has finished. By now this step's forward pass is queued,
    /// so that the device does not wait with the host.
    /// </summary>
    private void CountDraws()
    {
        if (!_sampler.AwaitsDraws) return;
        _lastResult!.Wait();
        _sampler.Drawn(_lastResult.Ids(_lastSamples));
    }

    /// <summary>Samples from logits, F32 [n, vocabulary], of the plan's samples from <paramref name="first"/> on.</summary>
    private void Draw(StepPlan plan, int first, in Tensor rows, in Tensor logits, WantedScores wanted, StepResult result)
    {
        LogitsObserver?.Invoke(_device, first, logits);
        long sampling = _trace.Begin();
        int count = (int)logits.NumRows;
        Tensor ids = result.IdsOnDevice(first, count);
        Tensor logprobs = wanted.Logprobs ? result.LogprobsOnDevice(first, count) : default;
        _sampler.Sample(plan, _batch, first, ids, logprobs, logits);
        Ops.TokenScatter(_device, LastIds, rows, ids);
        if (_originalLogprobs && wanted is { Logprobs: true, TopCount: 0 }) Ops.Logprobs(_device, logprobs, default, default, logits, ids);
        result.Top(plan.NumSamples, wanted.TopCount)?.Compute(first, logits, logprobs, ids, ScoreTemperatures(first, count));
        if (wanted.ChosenCount > 0) ScoreChosen(plan, first, logits, result.Chosen(wanted.ChosenCount, isFirst: first == 0));
        _trace.End(sampling, _trace.Spans.Sample, count);
    }

    /// <summary>Whether tensor ranks need not see each other's logits. All ranks find the same.</summary>
    private bool DrawsOverParts(int first, int count, WantedScores wanted) =>
        _place.AttentionTpSize > 1 && !wanted.Logprobs && LogitsObserver is null && _batch.IsGreedyAndPlain(first, count);

    /// <summary>Takes the largest of the logits that the ranks have parts of.</summary>
    private void DrawGreedy(int first, in Tensor rows, in Tensor own, StepResult result)
    {
        long sampling = _trace.Begin();
        int count = (int)own.NumRows;
        Tensor ids = result.IdsOnDevice(first, count);
        _model.DrawGreedy(_forward, ids, own);
        Ops.TokenScatter(_device, LastIds, rows, ids);
        NumGreedyOverParts += count;
        _trace.End(sampling, _trace.Spans.Sample, count);
    }

    private void ScoreChosen(StepPlan plan, int first, in Tensor logits, ChosenScores chosen)
    {
        for (int i = 0; i < logits.NumRows; i++)
            if (plan.Requests[plan.SampleIndex[first + i]].LogprobOptions is { TokenIds.Length: > 0 } options)
                chosen.Compute(logits.Rows(i, 1), options.TokenIds, _originalLogprobs ? 1 : _batch.Temperatures(first + i, 1)[0]);
    }

    /// <summary>Empty: 1 for all.</summary>
    private ReadOnlySpan<float> ScoreTemperatures(int first, int count) => _originalLogprobs ? default : _batch.Temperatures(first, count);

    private void Finish(StepPlan plan, WantedScores wanted, StepResult result)
    {
        int samples = plan.NumSamples;
        if (samples > 0) _drawnIds?.Send(result.IdsOnDevice(0, samples));
        long copying = _trace.Begin();
        result.QueueEnd(hasLogprobs: wanted.Logprobs);
        _trace.End(copying, _trace.Spans.CopyResult, samples);
        _lastResult = result;
        _lastSamples = samples;
    }
}
