using System.Diagnostics;
using SgLang.Core;
using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>What is remembered of a request for whoever asks later: the engine's time line and when its answer left.</summary>
public sealed class RequestRecord
{
    private long _firstSent, _lastSent, _chunks;

    internal RequestRecord(GenerationRequest request, PlanLog log)
    {
        Timeline = new RequestTimeline(request.Rid, request.InputIds.Length);
        Log = log;
        MaxNewTokens = request.Sampling.MaxNewTokens;
        Priority = request.Priority;
        IsStreaming = request.IsStreaming;
    }

    /// <summary>Written by the engine's thread.</summary>
    public RequestTimeline Timeline { get; }

    /// <summary>Of the scheduler that serves it.</summary>
    public PlanLog Log { get; }

    public string Rid => Timeline.Rid;
    public int? MaxNewTokens { get; }
    public int? Priority { get; }
    public bool IsStreaming { get; }
    public DateTimeOffset SubmittedAt { get; } = DateTimeOffset.UtcNow;

    /// <summary><see cref="Stopwatch"/> time stamps; 0 until reached.</summary>
    public long Submitted { get; } = Stopwatch.GetTimestamp();
    public long FirstSent => Volatile.Read(ref _firstSent);
    public long LastSent => Volatile.Read(ref _lastSent);

    /// <summary>Parts of the answer handed on.</summary>
    public long Chunks => Volatile.Read(ref _chunks);

    /// <summary>The last chunk read has been dealt with: for an HTTP reader, it was given to the connection.</summary>
    internal void Sent()
    {
        long now = Stopwatch.GetTimestamp();
        if (_firstSent == 0) Volatile.Write(ref _firstSent, now);
        Volatile.Write(ref _lastSent, now);
        Volatile.Write(ref _chunks, _chunks + 1);
    }
}
