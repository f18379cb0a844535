using System.Diagnostics;
using Microsoft.Extensions.Logging;
using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>One line a prefill step and one every so many decode steps, with the rates since the last.</summary>
internal struct BatchLog(ILogger logger, int decodeInterval)
{
    private long _lastDecodeLine = Stopwatch.GetTimestamp();
    private long _lastPrefill = Stopwatch.GetTimestamp();
    private long _generatedAtLastLine;
    private long _decodeSteps;
    private int _lastPrefillTokens;
    private long _retracted;
    private long _retractedTokens;
    private double _ratio = 1;

    /// <summary>Output tokens per second over the last interval; 0 when idle.</summary>
    public double Throughput { get; private set; }

    public void Planned(StepPlan plan, Scheduler scheduler, bool isGraph)
    {
        SchedulerStats stats = scheduler.Stats;
        if (stats.NumRetracted != _retracted)
            EngineLog.Retracted(logger, stats.NumRetracted - _retracted, stats.RetractedTokens - _retractedTokens, _ratio, stats.NewTokenRatio);
        _retracted = stats.NumRetracted;
        _retractedTokens = stats.RetractedTokens;
        _ratio = stats.NewTokenRatio;
        if (plan.Kind != StepKind.Decode) Prefill(plan, stats);
        else if (++_decodeSteps % Math.Max(1, decodeInterval) == 0) Decode(stats, isGraph);
    }

    public void Idle() => Throughput = 0;

    private void Prefill(StepPlan plan, in SchedulerStats stats)
    {
        double throughput = _lastPrefillTokens / Math.Max(1e-9, Stopwatch.GetElapsedTime(_lastPrefill).TotalSeconds);
        _lastPrefill = Stopwatch.GetTimestamp();
        _lastPrefillTokens = plan.NumPrefillTokens;
        EngineLog.PrefillBatch(logger, plan.NumPrefillRequests, plan.NumPrefillTokens, plan.NumCachedTokens, stats.TokenUsage,
            stats.NumRunning, stats.NumWaiting, stats.NumPendingTokens, false, throughput);
    }

    private void Decode(in SchedulerStats stats, bool isGraph)
    {
        Throughput = (stats.GeneratedTokens - _generatedAtLastLine) / Math.Max(1e-9, Stopwatch.GetElapsedTime(_lastDecodeLine).TotalSeconds);
        _lastDecodeLine = Stopwatch.GetTimestamp();
        _generatedAtLastLine = stats.GeneratedTokens;
        EngineLog.DecodeBatch(logger, stats.NumRunning, stats.UsedTokens, stats.TokenUsage, isGraph, Throughput, stats.NumWaiting);
    }
}
