using System.Diagnostics;

namespace SgLang.Profiling;

/// <summary>A copy of the flight recorder, from which a trace file is written.</summary>
public sealed class FlightRecords : ITraceRecords
{
    private readonly TraceRecord[][] _records;

    internal FlightRecords(TraceClock clock, long endTicks, IReadOnlyList<TracedThread> threads, TraceName[] names, TraceRecord[][] records, bool isCut)
    {
        Clock = clock;
        EndTicks = endTicks;
        Threads = threads;
        Names = names;
        _records = records;
        IsCut = isCut;
        StartTicks = endTicks;
        foreach (TraceRecord[] track in records)
        {
            foreach (ref readonly TraceRecord record in track.AsSpan())
            {
                StartTicks = Math.Min(StartTicks, record.Start);
                NumRecords++;
                if (record.Kind != TraceKind.Step) continue;
                NumSteps++;
                FirstStep = FirstStep == 0 ? record.A : Math.Min(FirstStep, record.A);
                LastStep = Math.Max(LastStep, record.A);
            }
        }
    }

    public TraceClock Clock { get; }

    /// <summary>Of the oldest span.</summary>
    public long StartTicks { get; }
    public long EndTicks { get; }
    public IReadOnlyList<TracedThread> Threads { get; }
    public TraceName[] Names { get; }
    public long NumRecords { get; }

    /// <summary>Some track was too small for the time asked for.</summary>
    public bool IsCut { get; }

    /// <summary>Steps of all ranks, and the first and the last of them; 0 where there are none.</summary>
    public long NumSteps { get; }
    public long FirstStep { get; }
    public long LastStep { get; }

    /// <summary>From the oldest span to the copy.</summary>
    public TimeSpan Duration => Stopwatch.GetElapsedTime(StartTicks, EndTicks);

    public double SpanCostNanoseconds => SpanCost.Nanoseconds;

    CallStacks? ITraceRecords.Stacks => null;
    long ITraceRecords.DroppedByRings => 0;
    long ITraceRecords.DroppedBySpool => 0;
    double ITraceRecords.CollectorMilliseconds => 0;
    long ITraceRecords.SpoolBytes => 0;

    public void ForEach(RecordVisitor visit)
    {
        for (int track = 0; track < _records.Length; track++)
            foreach (ref readonly TraceRecord record in _records[track].AsSpan()) visit(track, in record);
    }
}
