using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.Logging;
using SgLang.Core;
using SgLang.Profiling;
using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>
/// The engine's own thread. Each turn: take messages, plan a step while earlier ones still run, launch it, and once as many are under way as
/// can be, or nothing more can be planned, take the oldest one's result. Nothing here waits for a client, and in steady decode nothing allocates.
/// </summary>
internal sealed class EngineLoop : IDisposable
{
    private const string AbortMessage = "Aborted by the user.";
    private static readonly TimeSpan s_idleHeartbeat = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_idleCheckInterval = TimeSpan.FromSeconds(10);

    private readonly Scheduler _scheduler;
    private readonly RankGroup _ranks;
    private readonly EngineOptions _options;
    private readonly GraphBatchSizes _graphs;
    private readonly ILogger _logger;
    private readonly EngineProfiler _profiler;
    private readonly int _replica;
    private readonly TraceRecorder _recorder;
    private readonly EngineSpans _spans;
    private readonly bool _hasRanges;
    private readonly Action<Generation> _ended;
    private readonly Func<IEnumerable<Generation>> _unfinished;
    private readonly Thread _thread;
    private readonly ConcurrentQueue<EngineMessage> _inbox = new();
    private readonly ManualResetEventSlim _hasMail = new();
    private readonly List<(TaskCompletionSource<bool> Completion, long Deadline)> _flushes = [];
    private readonly Deliveries _deliveries;
    private readonly Lock _statsGate = new();
    private SchedulerStats _stats;
    private StepMeter _steps;
    private double _throughput;
    private volatile bool _hasEnded;
    private long _heartbeat = Stopwatch.GetTimestamp();
    private volatile string _phase = "starting";
    private volatile bool _isGivenUp;
    private long _phaseStep;
    private long _lastIdleCheck;
    private BatchLog _log;
    private StepMeter _meter;

    // Steps under way, a ring: the oldest is at _oldest, and times of launch are the stopwatch's.
    private readonly (StepPlan Plan, long Launched)[] _inFlight;
    private int _oldest;
    private int _numInFlight;
    private readonly FlightTriggers _triggers;
    private readonly StepTimes? _stepTimes;

    // Of the engine's thread, which makes it.
    private FlightTrack _track = null!;

    /// <param name="ended">Called on the engine thread when a request has ended, before its stream says so.</param>
    /// <param name="unfinished">All requests that have not, for the end of the engine itself.</param>
    public EngineLoop(Scheduler scheduler, RankGroup ranks, EngineOptions options, GraphBatchSizes graphs, ILogger logger, EngineProfiler profiler, int replica,
        Action<Generation> ended, Func<IEnumerable<Generation>> unfinished)
    {
        _unfinished = unfinished;
        _scheduler = scheduler;
        _inFlight = new (StepPlan, long)[scheduler.Options.MaxUncommitted];
        _ranks = ranks;
        _options = options;
        _graphs = graphs;
        _logger = logger;
        _profiler = profiler;
        _replica = replica;
        _recorder = profiler.Recorder;
        _spans = profiler.Spans;
        _hasRanges = options.EnableSchedulerNvtx && NvtxRanges.IsActive;
        _ended = ended;
        _triggers = new FlightTriggers(profiler.Flight, options.FlightRecorder);
        _deliveries = new Deliveries(_triggers);
        _stepTimes = options.RecordStepTimes ? new StepTimes(scheduler.Options.MaxRunningRequests) : null;
        _log = new BatchLog(logger, options.DecodeLogInterval);
        _thread = new Thread(Run) { Name = RankFileSet.EngineThreadName(replica), IsBackground = true };
        _thread.Start();
    }

    /// <summary>Why requests wait.</summary>
    public PlanLog PlanLog => _scheduler.Log;

    /// <summary>What ended the loop, other than <see cref="Dispose"/>.</summary>
    public Exception? Fault { get; private set; }

    /// <summary>Whether it takes requests: false from the moment a part of it is lost.</summary>
    public bool IsAlive => Fault is null && _ranks.Lost is null;

    /// <summary>Time stamp of the last finished step or idle turn.</summary>
    public long Heartbeat => Volatile.Read(ref _heartbeat);

    /// <summary>What the engine's thread is at, for reports.</summary>
    public string Phase => $"{_phase}, step {Volatile.Read(ref _phaseStep)}";

    /// <summary>The loop no longer answers: nothing more is to be expected of it, and it is not waited for.</summary>
    public void GiveUp(Exception reason)
    {
        _isGivenUp = true;
        Fault ??= reason;
    }

    public void Post(in EngineMessage message)
    {
        _inbox.Enqueue(message);
        _hasMail.Set();
    }

    /// <summary>
    /// For the poster of a message that may have come too late for the loop to take: answers what is left in the inbox. Does nothing while
    /// the loop runs.
    /// </summary>
    public void AnswerIfEnded()
    {
        if (_hasEnded) RefuseInbox();
    }

    public EngineStats ReadStats()
    {
        SchedulerStats stats;
        StepMeter steps;
        double throughput;
        lock (_statsGate)
        {
            stats = _stats;
            steps = _steps;
            throughput = _throughput;
        }
        return new EngineStats
        {
            IsPaused = stats.IsPaused,
            NumRunning = stats.NumRunning,
            NumWaiting = stats.NumWaiting,
            NumRetractedWaiting = stats.NumRetractedWaiting,
            FreeTokens = stats.FreeTokens,
            EvictableTokens = stats.EvictableTokens,
            UsedTokens = stats.UsedTokens,
            TokenUsage = stats.TokenUsage,
            GenerationThroughput = throughput,
            CacheHitRate = stats.CacheHitRate,
            NumSteps = stats.NumSteps,
            PromptTokens = stats.PrefillTokens,
            CachedTokens = stats.CachedTokens,
            GeneratedTokens = stats.GeneratedTokens,
            NumRequests = stats.NumAccepted,
            NumAborted = stats.NumAborted,
            NumRetracted = stats.NumRetracted,
            RetractedInputTokens = stats.RetractedInputTokens,
            RetractedOutputTokens = stats.RetractedOutputTokens,
            EvictedTokens = stats.EvictedTokens,
            Steps = steps,
            NewTokenRatio = stats.NewTokenRatio,
            Heartbeat = Volatile.Read(ref _heartbeat),
            StepTimes = _stepTimes?.Read(),
        };
    }

    /// <summary>Waits until the loop has ended, which it was asked to; steps are launched no more.</summary>
    public void Join()
    {
        if (!_isGivenUp) _thread.Join();
    }

    public void Dispose()
    {
        Post(new EngineMessage(EngineMessageKind.Stop));
        if (_isGivenUp) return;
        _thread.Join();
        _ranks.Dispose();
    }

    private void Run()
    {
        using IDisposable? scope = EngineLog.BeginRank(_logger, _replica, _options.DpSize);
        _track = _profiler.Flight.Recorder.Attach();
        try
        {
            while (TakeMessages())
            {
                // Steps under way end with it; without one nobody else would notice.
                if (_numInFlight == 0 && _ranks.Lost is { } lost) throw lost;
                StepPlan? plan = Plan();
                if (plan is not null) Launch(plan);
                bool isIdle = _numInFlight == 0;
                if (_numInFlight == _inFlight.Length || (plan is null && !isIdle)) FinishOldest();
                Publish();
                if (isIdle) Idle();
            }
            while (_numInFlight > 0) FinishOldest();
            _scheduler.AbortAll("The engine is shutting down.");
            Deliver();
        }
        catch (Exception error)
        {
            Fault = error;
            EngineLog.EngineStopped(_logger, error);
        }
        finally
        {
            _hasEnded = true;
            // Tokens that are still on their way come before the end.
            _deliveries.Complete();
            foreach (Generation generation in _unfinished()) EndGeneration(generation, EndReason);
            RefuseInbox();
            foreach ((TaskCompletionSource<bool> completion, _) in _flushes) completion.TrySetResult(false);
        }
    }

    /// <summary>False when told to stop.</summary>
    private bool TakeMessages()
    {
        _phase = "taking messages";
        _hasMail.Reset();
        long start = _recorder.Begin();
        if (_hasRanges) SchedulerRanges.ReceiveRequests();
        bool goOn = true;
        if (!_inbox.IsEmpty) goOn = HandleMessages();
        AnswerFlushes();
        if (_hasRanges) NvtxRanges.Pop();
        _recorder.End(start, _spans.ReceiveRequests);
        return goOn;
    }

    private bool HandleMessages()
    {
        long start = _track.Begin();
        if (_hasRanges) SchedulerRanges.ProcessInputs();
        bool goOn = true;
        while (_inbox.TryDequeue(out EngineMessage message)) goOn &= Handle(message);
        if (_hasRanges) NvtxRanges.Pop();
        _track.End(start, _spans.ProcessInputs);
        return goOn;
    }

    private bool Handle(in EngineMessage message)
    {
        switch (message.Kind)
        {
            case EngineMessageKind.Submit or EngineMessageKind.SubmitAborted:
                Generation generation = message.Generation!;
                // Nothing of it is on its way.
                if (!_scheduler.TryEnqueue(generation.Scheduled, out FinishReason refusal)) EndGeneration(generation, refusal);
                else if (message.Kind == EngineMessageKind.SubmitAborted) _scheduler.Abort(generation.Scheduled, FinishReason.Abort(AbortMessage));
                break;
            case EngineMessageKind.AbortPrefix:
                _scheduler.Abort(message.RidPrefix!, AbortMessage);
                break;
            case EngineMessageKind.AbortAll:
                _scheduler.AbortAll(AbortMessage);
                break;
            case EngineMessageKind.AbortExactly:
                _scheduler.Abort(message.Generation!.Scheduled, message.Reason);
                break;
            case EngineMessageKind.FinishAt:
                _scheduler.FinishAt(message.Generation!.Scheduled, message.OutputLength, message.Reason);
                break;
            case EngineMessageKind.FlushCache:
                _flushes.Add((message.Completion!, message.TimeoutMilliseconds + Environment.TickCount64));
                break;
            case EngineMessageKind.Pause:
                Pause(message.PauseMode, message.Completion!);
                break;
            case EngineMessageKind.Resume:
                _scheduler.Resume();
                break;
            case EngineMessageKind.Stop:
                return false;
        }
        return true;
    }

    /// <summary>Complete when the steps under way have ended, whose tokens still count.</summary>
    private void Pause(PauseMode mode, TaskCompletionSource<bool> completion)
    {
        bool isPaused = false;
        try
        {
            _scheduler.Pause();
            while (_numInFlight > 0) FinishOldest();
            if (mode == PauseMode.Abort) _scheduler.AbortAll(AbortMessage);
            if (mode == PauseMode.Retract) _scheduler.SuspendAll();
            Deliver();
            Publish();
            isPaused = true;
        }
        finally
        {
            completion.TrySetResult(isPaused);
        }
    }

    private StepPlan? Plan()
    {
        _phase = "planning";
        long start = _track.Begin();
        if (_hasRanges) SchedulerRanges.GetNextBatch();
        StepPlan? plan = _scheduler.Plan();
        Deliver();
        if (_hasRanges) NvtxRanges.Pop();
        if (plan is not null)
        {
            SchedulerStats stats = _scheduler.Stats;
            _track.End(start, _spans.GetNextBatch, plan.StepId, stats.NumWaiting, stats.UsedTokens);
        }
        return plan;
    }

    private void Launch(StepPlan plan)
    {
        StepTrace trace = _profiler.BeforeStep(plan, _replica);
        long start = _track.Begin();
        if (_hasRanges) SchedulerRanges.RunBatch();
        _ranks.Launch(plan, trace);
        long launched = Stopwatch.GetTimestamp();
        _inFlight[(_oldest + _numInFlight++) % _inFlight.Length] = (plan, launched);
        bool isGraph = plan.Kind == StepKind.Decode && _graphs.Select(plan.NumRequests) > 0;
        _meter.Launched(plan, isGraph, launched);
        _log.Planned(plan, _scheduler, isGraph);
        if (_hasRanges) NvtxRanges.Pop();
        _track.End(start, _spans.RunBatch, plan.StepId, stage: trace.Stage);
    }

    /// <summary>Takes the result of a step: tokens to their streams, or the error to its requests.</summary>
    private void FinishOldest()
    {
        (StepPlan plan, long launched) = _inFlight[_oldest];
        _oldest = (_oldest + 1) % _inFlight.Length;
        _numInFlight--;
        long start = _track.Begin();
        if (_hasRanges) SchedulerRanges.ProcessResult();
        try
        {
            FinishStep(plan, launched);
        }
        finally
        {
            if (_hasRanges) NvtxRanges.Pop();
            _track.End(start, _spans.ProcessResult, plan.StepId);
            _profiler.AfterStep(plan, _replica);
        }
    }

    private void FinishStep(StepPlan plan, long launched)
    {
        long start = _track.Begin();
        Volatile.Write(ref _phaseStep, plan.StepId);
        _phase = "waiting for a rank";
        StepOutcome outcome = _ranks.Wait();
        long took = _meter.Finished(plan, launched, Math.Max(1, _options.DecodeLogInterval));
        if (plan.Kind == StepKind.Decode)
        {
            _triggers.Decoded(plan.StepId, took);
            _stepTimes?.Add(plan.NumRequests, took);
        }
        _phase = "delivering";
        _track.End(start, _spans.WaitForRanks, plan.StepId);
        if (outcome.Error is { } error)
        {
            EngineLog.StepFailed(_logger, error, plan.StepId, plan.NumRequests);
            _scheduler.Fail(plan, FinishReason.Abort($"The step that computed this request failed: {error.Message}", 500));
            Deliver();
            if (error is FatalDeviceException) throw error;
            return;
        }
        Annotate(plan, outcome);
        _scheduler.Commit(plan, outcome.Ids(plan));
        Deliver();
        Volatile.Write(ref _heartbeat, Stopwatch.GetTimestamp());
    }

    /// <summary>Hands scores and embeddings to the generations before the tokens they belong to, or the end, are delivered.</summary>
    private static void Annotate(StepPlan plan, StepOutcome outcome)
    {
        foreach (PromptScores scores in outcome.PromptScores)
            if (plan.IsCurrent(scores.RequestIndex)) Owner(plan.Requests[scores.RequestIndex]).AddPromptScores(scores);
        foreach (PromptEmbedding embedding in outcome.Embeddings)
            if (plan.IsCurrent(embedding.RequestIndex)) Owner(plan.Requests[embedding.RequestIndex]).SetEmbedding(embedding.Values);
        ReadOnlySpan<int> sampled = plan.SampleIndex;
        Span<float> logprobs = outcome.Logprobs(plan);
        ReadOnlySpan<TokenLogprob[]?> top = outcome.Top(plan), chosen = outcome.Chosen(plan);
        for (int i = 0; i < sampled.Length; i++)
        {
            Request request = plan.Requests[sampled[i]];
            if (request.LogprobOptions is not null && plan.IsCurrent(sampled[i])) Owner(request).SetNextScores(logprobs[i], top[i], chosen[i]);
        }
    }

    private void Deliver()
    {
        foreach (ref readonly SchedulerEvent happened in _scheduler.Events)
        {
            Request request = happened.Request;
            // First, so that whoever sees the end may use the rid again.
            if (happened.Finish is not null) _ended(Owner(request));
            if (happened.TokenId >= 0) _deliveries.Add(request.Owner!, request.LogprobOptions is null ? new TokenRecord(happened.TokenId) : Owner(request).WithScores(happened.TokenId), happened.Finish);
            else if (happened.Finish is { } finish) _deliveries.AddEnd(request.Owner!, finish);
        }
        _deliveries.Flush();
        _scheduler.ClearEvents();
    }

    private void EndGeneration(Generation generation, FinishReason reason)
    {
        _ended(generation);
        generation.End(reason);
    }

    private void Publish()
    {
        lock (_statsGate)
        {
            _stats = _scheduler.Stats;
            _steps = _meter;
            _throughput = _log.Throughput;
        }
    }

    private void Idle()
    {
        _phase = "idle";
        Volatile.Write(ref _heartbeat, Stopwatch.GetTimestamp());
        _log.Idle();
        _meter.Idle();
        if (_scheduler.IsIdle && Stopwatch.GetElapsedTime(_lastIdleCheck) > s_idleCheckInterval)
        {
            _lastIdleCheck = Stopwatch.GetTimestamp();
            foreach (string violation in Invariants.Check(_scheduler)) EngineLog.InvariantBroken(_logger, violation);
        }
        TimeSpan wait = _flushes.Count > 0 || !_scheduler.IsIdle ? TimeSpan.FromMilliseconds(10) : s_idleHeartbeat;
        _hasMail.Wait(wait);
    }

    private void AnswerFlushes()
    {
        for (int i = _flushes.Count - 1; i >= 0; i--)
        {
            bool flushed = _scheduler.IsIdle && _scheduler.TryFlushCache();
            if (!flushed && Environment.TickCount64 < _flushes[i].Deadline) continue;
            _flushes[i].Completion.SetResult(flushed);
            _flushes.RemoveAt(i);
        }
    }

    private FinishReason EndReason => Fault is { } fault
        ? FinishReason.Abort($"The engine has stopped: {fault.Message}", 500)
        : FinishReason.Abort("The engine is shutting down.", 503);

    /// <summary>Nobody waits for an answer that cannot come.</summary>
    private void RefuseInbox()
    {
        while (_inbox.TryDequeue(out EngineMessage message))
        {
            if (message.Kind is EngineMessageKind.Submit or EngineMessageKind.SubmitAborted) EndGeneration(message.Generation!, EndReason);
            message.Completion?.TrySetResult(false);
        }
    }

    private static Generation Owner(Request request) => (Generation)request.Owner!;
}
