using System.Diagnostics;

namespace SgLang.Profiling;

/// <summary>
/// Always on: the latest phases of each thread that takes part in steps, in memory of a fixed size, for the moment somebody asks what has just
/// happened. Thread safe.
/// </summary>
/// <param name="recorder">Whose names the spans use, and whose windows take them too.</param>
/// <param name="capacity">Spans kept of each thread, 64 bytes each; a power of two, or 0 to keep none.</param>
public sealed class FlightRecorder(TraceRecorder recorder, int capacity = FlightRecorder.DefaultCapacity)
{
    /// <summary>4 MB a thread; some 13,000 steps, over two minutes of steps of 10 ms.</summary>
    public const int DefaultCapacity = 1 << 16;

    /// <summary>Tracks of devices get thread numbers that no kernel gives.</summary>
    private const int FirstDeviceThread = 20_000_000;

    private readonly Lock _gate = new();
    private readonly List<FlightTrack> _tracks = [];

    public bool IsOn => capacity > 0;

    /// <summary>A track that the calling thread writes.</summary>
    public FlightTrack Attach() => Attach(new TracedThread(0, OsThread.CurrentId(), Thread.CurrentThread.Name ?? "thread"));

    /// <summary>A track beside a thread's own, of the device that it drives; written by one thread at a time.</summary>
    public FlightTrack AttachDeviceOf(FlightTrack thread) => Attach(new TracedThread(0, FirstDeviceThread + thread.Thread.Ring, thread.Thread.Name + " device"));

    /// <summary>A copy of what ended within the last <paramref name="last"/>.</summary>
    public FlightRecords Copy(TimeSpan last)
    {
        TraceClock clock = TraceClock.Now();
        long end = Stopwatch.GetTimestamp();
        long since = end - (long)(last.TotalSeconds * Stopwatch.Frequency);
        FlightTrack[] tracks;
        lock (_gate) tracks = [.. _tracks];
        TraceRecord[][] copies = new TraceRecord[tracks.Length][];
        bool isCut = false;
        for (int i = 0; i < tracks.Length; i++)
        {
            copies[i] = tracks[i].Copy(since, out bool cut);
            isCut |= cut;
        }
        return new FlightRecords(clock, end, [.. tracks.Select(track => track.Thread)], recorder.Names.Snapshot(), copies, isCut);
    }

    private FlightTrack Attach(TracedThread thread)
    {
        lock (_gate)
        {
            FlightTrack track = new(recorder, thread with { Ring = _tracks.Count }, capacity);
            _tracks.Add(track);
            return track;
        }
    }
}
