namespace SgLang.Profiling;

/// <summary>Spans of the host's threads over a stretch of time, as a trace file is written from: those of a window, or of the flight recorder.</summary>
public interface ITraceRecords
{
    TraceClock Clock { get; }

    /// <summary>Stopwatch ticks; spans that began before are not written.</summary>
    long StartTicks { get; }
    long EndTicks { get; }

    /// <summary>By ring, which the records' visitor is told.</summary>
    IReadOnlyList<TracedThread> Threads { get; }
    TraceName[] Names { get; }
    long NumRecords { get; }

    /// <summary>Null where none were recorded.</summary>
    CallStacks? Stacks { get; }

    /// <summary>Records lost to full rings and to a full spool.</summary>
    long DroppedByRings { get; }
    long DroppedBySpool { get; }

    /// <summary>Of one span on this machine.</summary>
    double SpanCostNanoseconds { get; }

    /// <summary>Time that a collector worked during the window.</summary>
    double CollectorMilliseconds { get; }
    long SpoolBytes { get; }

    /// <summary>Calls <paramref name="visit"/> with every record in the order of each thread, blocks of threads interleaved.</summary>
    void ForEach(RecordVisitor visit);
}
