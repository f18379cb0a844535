using SgLang.Core;
using SgLang.Interop;
using SgLang.Models;
using SgLang.Runtime;
using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>The largest step a runner must be able to take.</summary>
internal readonly record struct StepLimits(int MaxTokens, int MaxRequests);

/// <summary>
/// Runs steps of a model on one device: a plan's arrays go through page-locked buffers to the device, the model's forward pass makes logits, the
/// sampler draws. Sampled ids stay in a table on the device, where the next step's inputs refer to them by row.
/// </summary>
internal sealed class ModelRunner : IModelRunner
{
    /// <summary>Prompt positions scored at once, to bound the memory of their logits.</summary>
    private const int ScoredRowsPerBlock = 128;

    private readonly DeviceContext _device;
    private readonly IModel _model;
    private readonly KvCache _kvCache;
    private readonly AttentionPlans _attention;
    private readonly DeviceArena _arena;
    private readonly ForwardContext _forward;
    private readonly Sampler _sampler;
    private readonly PinnedBuffer _lastIdsOnHost;
    private readonly StepBuffer _sources;
    private readonly StepBuffer _positions;
    private readonly StepBuffer _slots;
    private readonly StepBuffer _logitRows;
    private readonly StepBuffer _sampledRows;
    private readonly StepBuffer _targets;
    private readonly DeviceBuffer _inputIds;
    private readonly DeviceBuffer _lastIds;
    private readonly DeviceBuffer _ids;
    private readonly DeviceBuffer _logprobs;
    private readonly PinnedBuffer _logprobsOnHost;
    private readonly RankTrace _trace;
    private readonly RankCommunicators? _ranks;
    private readonly RankPlace _place;
    private readonly DrawnIds? _drawnIds;
    private TopScores? _top;

    /// <summary>Sees each step's logits, F32 [samples, vocabulary], before they are sampled from; for comparing numbers with a reference.</summary>
    internal Action<DeviceContext, Tensor>? LogitsObserver { get; set; }

    /// <summary>Takes over the device, the model and the communicators.</summary>
    public ModelRunner(DeviceContext device, IModel model, int numPages, int pageSize, StepLimits limits, RankTrace trace, RankCommunicators? ranks = null)
    {
        _device = device;
        _model = model;
        _trace = trace;
        _ranks = ranks;
        int tokens = limits.MaxTokens, requests = limits.MaxRequests;
        _kvCache = new KvCache(device, model, numPages, pageSize);
        _attention = new AttentionPlans(device, model, pageSize, tokens, requests);
        _arena = new DeviceArena(device, ActivationBytes(model, limits), "activations");
        _forward = new ForwardContext(device, _arena, _kvCache, _attention, ranks) { Trace = trace.Modules };
        _sampler = new Sampler(device, requests);
        _sources = new StepBuffer(device, tokens, "token sources");
        _positions = new StepBuffer(device, tokens, "positions");
        _slots = new StepBuffer(device, tokens, "slots");
        _logitRows = new StepBuffer(device, tokens, "logit rows");
        _sampledRows = new StepBuffer(device, requests, "sampled rows");
        _targets = new StepBuffer(device, tokens, "scored tokens");
        _inputIds = new DeviceBuffer(device, (long)tokens * sizeof(int), "input ids");
        _lastIds = new DeviceBuffer(device, (long)requests * sizeof(int), "last token of each row");
        _ids = new DeviceBuffer(device, (long)requests * sizeof(int), "sampled ids");
        _logprobs = new DeviceBuffer(device, (long)Math.Max(requests, ScoredRowsPerBlock) * sizeof(float), "log-probabilities");
        _lastIdsOnHost = new PinnedBuffer(device, (long)requests * sizeof(int));
        _logprobsOnHost = new PinnedBuffer(device, (long)Math.Max(requests, ScoredRowsPerBlock) * sizeof(float));
        _place = model.Share.Place;
        if (_place.PpSize > 1) _drawnIds = new DrawnIds(device, ranks, requests);
        device.Fill(_lastIds.AsTensor(DType.I32, requests), 0);
    }

    /// <summary>Device memory for the activations of the largest step.</summary>
    public static long ActivationBytes(IModel model, StepLimits limits)
    {
        long sampling = model.ActivationBytes(limits.MaxTokens, limits.MaxRequests);
        long scoring = model.ActivationBytes(limits.MaxTokens, ScoredRowsPerBlock);
        return Math.Max(sampling, scoring);
    }

    public void Run(StepPlan plan, StepOutcome outcome)
    {
        long start = _trace.BeginStep(outcome.Trace);
        try
        {
            RunStep(plan, outcome);
            _trace.EndStep(start, plan);
        }
        catch (SglException error) when (error.Status == SglStatus.CudaFatal)
        {
            throw new FatalDeviceException($"The device is lost: {error.Message}", error);
        }
    }

    public void Dispose()
    {
        _device.Synchronize();
        _top?.Dispose();
        _sampler.Dispose();
        _drawnIds?.Dispose();
        _ranks?.Dispose();
        foreach (IDisposable owned in (ReadOnlySpan<IDisposable>)
                 [
                     _logprobsOnHost, _lastIdsOnHost, _logprobs, _ids, _lastIds, _inputIds, _targets, _sampledRows, _logitRows, _slots, _positions, _sources,
                     _arena, _attention, _kvCache, _model, _device,
                 ])
            owned.Dispose();
    }

    private void RunStep(StepPlan plan, StepOutcome outcome)
    {
        _arena.Reset();
        long preparing = _trace.Begin();
        int tokens = plan.NumTokens;
        CopyPages(plan);
        Tensor lastIds = _lastIds.AsTensor(DType.I32, _lastIds.NumBytes / sizeof(int));
        if (_drawnIds is not null && _place.IsFirstStage) _drawnIds.ReceiveFor(plan, lastIds);
        Tensor sources = _sources.Upload(plan.TokenSources);
        Tensor inputIds = _inputIds.AsTensor(DType.I32, tokens);
        Ops.TokenResolve(_device, inputIds, sources, lastIds);
        _forward.InputIds = inputIds;
        _forward.Positions = _positions.Upload(plan.Positions);
        _forward.Slots = _slots.Upload(plan.Slots);
        _attention.Update(plan.QueryStart, plan.KvLength, plan.PageStart[..plan.NumRequests], plan.Pages);
        _trace.End(preparing, _trace.Spans.PrepareInputs);

        Tensor hidden = _model.ForwardHidden(_forward);
        if (!_place.IsLastStage)
        {
            if (_place.IsFirstStage && plan.NumSamples > 0) ExpectIds(plan);
            _device.Synchronize();
            return;
        }
        if (plan.HasInputLogprobs) ScorePrompts(plan, hidden, outcome);
        if (plan.NumSamples > 0) Sample(plan, hidden, outcome);
        else _device.Synchronize();
    }

    private void CopyPages(StepPlan plan)
    {
        if (plan.NumCopies == 0) return;
        _kvCache.CopyPages(_device, _slots.Upload(plan.CopyDestinations), _positions.Upload(plan.CopySources));
        // The same buffers carry this step's slots and positions next.
        _device.Synchronize();
    }

    private void ExpectIds(StepPlan plan)
    {
        Span<int> rows = _sampledRows.Host(plan.NumSamples);
        for (int i = 0; i < rows.Length; i++) rows[i] = plan.Rows[plan.SampleIndex[i]];
        _drawnIds!.Expect(rows);
    }

    private void Sample(StepPlan plan, in Tensor hidden, StepOutcome outcome)
    {
        int samples = plan.NumSamples;
        ReadOnlySpan<int> sampled = plan.SampleIndex;
        Span<int> lastToken = _logitRows.Host(samples);
        Span<int> rows = _sampledRows.Host(samples);
        bool wantsLogprobs = false;
        int top = 0;
        for (int i = 0; i < samples; i++)
        {
            int request = sampled[i];
            lastToken[i] = plan.QueryStart[request + 1] - 1;
            rows[i] = plan.Rows[request];
            if (plan.Requests[request].LogprobOptions is not { } wanted) continue;
            wantsLogprobs = true;
            top = Math.Max(top, wanted.TopCount);
        }
        Tensor logits = _model.Logits(_forward, hidden, _logitRows.Send(samples));
        LogitsObserver?.Invoke(_device, logits);
        Tensor ids = _ids.AsTensor(DType.I32, samples);
        Tensor logprobs = wantsLogprobs ? _logprobs.AsTensor(DType.F32, samples) : default;
        long sampling = _trace.Begin();
        _sampler.Sample(plan, ids, logprobs, logits);
        Ops.TokenScatter(_device, _lastIds.AsTensor(DType.I32, _lastIds.NumBytes / sizeof(int)), _sampledRows.Send(samples), ids);
        _drawnIds?.Send(ids);
        _trace.End(sampling, _trace.Spans.Sample, samples);
        long copying = _trace.Begin();
        _device.Copy(_lastIdsOnHost.AsTensor(DType.I32, samples), ids);
        if (wantsLogprobs) _device.Copy(_logprobsOnHost.AsTensor(DType.F32, samples), logprobs);
        if (top > 0)
        {
            _top = TopScores.Ensure(_top, _device, Math.Max(samples, ScoredRowsPerBlock), top);
            _top.Compute(logits, logprobs, ids, top, _sampler.Temperatures(samples));
        }
        _device.Synchronize();
        _trace.End(copying, _trace.Spans.CopyResult, samples);

        _lastIdsOnHost.AsSpan<int>(samples).CopyTo(outcome.Ids(plan));
        _sampler.Drawn(plan, outcome.Ids(plan));
        if (!wantsLogprobs) return;
        _logprobsOnHost.AsSpan<float>(samples).CopyTo(outcome.Logprobs(plan));
        for (int i = 0; i < samples; i++)
            if (plan.Requests[sampled[i]].LogprobOptions is { TopCount: > 0 } wanted) outcome.Top(plan)[i] = _top!.Row(i, wanted.TopCount);
    }

    /// <summary>Scores the known next tokens of each request's window, a block of positions at a time.</summary>
    private void ScorePrompts(StepPlan plan, in Tensor hidden, StepOutcome outcome)
    {
        for (int r = 0; r < plan.NumRequests; r++)
        {
            if (plan.Requests[r].LogprobOptions is not { } wanted) continue;
            int first = plan.QueryStart[r] + plan.InputLogprobStart[r];
            int end = plan.QueryStart[r + 1];
            // The last position's target may be the token that this step samples.
            while (end > first && plan.LogprobTargets[end - 1] < 0) end--;
            if (end <= first) continue;
            TokenLogprob[] scores = new TokenLogprob[end - first];
            TokenLogprob[][]? top = wanted.TopCount > 0 ? new TokenLogprob[end - first][] : null;
            for (int start = first; start < end; start += ScoredRowsPerBlock)
            {
                int count = Math.Min(ScoredRowsPerBlock, end - start);
                ScoreBlock(plan.LogprobTargets.Slice(start, count), start, hidden, wanted.TopCount, (float)plan.Requests[r].SamplingParams.Temperature,
                    scores.AsSpan(start - first, count), top is null ? default : top.AsSpan(start - first, count));
            }
            outcome.PromptScores.Add(new PromptScores(r, scores, top));
        }
    }

    private void ScoreBlock(ReadOnlySpan<int> targets, int firstRow, in Tensor hidden, int topCount, float temperature, Span<TokenLogprob> scores,
        Span<TokenLogprob[]> top)
    {
        using DeviceArena.Scope block = _arena.EnterScope();
        int count = targets.Length;
        Span<int> rows = _logitRows.Host(count);
        for (int i = 0; i < count; i++) rows[i] = firstRow + i;
        Tensor logits = _model.Logits(_forward, hidden, _logitRows.Send(count));
        Tensor wanted = _targets.Upload(targets);
        Tensor logprobs = _logprobs.AsTensor(DType.F32, count);
        Span<float> temperatures = stackalloc float[ScoredRowsPerBlock];
        temperatures = temperatures[..count];
        temperatures.Fill(temperature < Core.SamplingParams.GreedyTemperature ? 1 : temperature);
        if (topCount > 0)
        {
            _top = TopScores.Ensure(_top, _device, ScoredRowsPerBlock, topCount);
            _top.Compute(logits, logprobs, wanted, topCount, temperatures);
        }
        else
        {
            Ops.Logprobs(_device, logprobs, default, default, logits, wanted, temperatures);
        }
        _device.Copy(_logprobsOnHost.AsTensor(DType.F32, count), logprobs);
        _device.Synchronize();
        Span<float> values = _logprobsOnHost.AsSpan<float>(count);
        for (int i = 0; i < count; i++)
        {
            scores[i] = new TokenLogprob(values[i], targets[i]);
            if (topCount > 0) top[i] = _top!.Row(i, topCount);
        }
    }
}
