using System.Diagnostics;

namespace SgLang.Profiling;

/// <summary>
/// Requests under way, each on a lane of its own: asynchronous work changes threads, and spans of one track must nest. The lowest free lane
/// is taken. Kept also while nothing is recorded, so that a window shows the requests that began before it. Thread safe.
/// </summary>
public sealed class RequestLanes
{
    private readonly Lock _gate = new();
    private readonly List<(long Start, int Name)> _lanes = [];

    public int Open(int name)
    {
        long now = Stopwatch.GetTimestamp();
        lock (_gate)
        {
            int free = _lanes.FindIndex(static lane => lane.Start == 0);
            if (free < 0)
            {
                _lanes.Add(default);
                free = _lanes.Count - 1;
            }
            _lanes[free] = (now, name);
            return free;
        }
    }

    /// <summary>Ends a request. IsRecorded tells whether <paramref name="recorder"/> was on at that moment.</summary>
    public (long Start, int Name, bool IsRecorded) Close(int lane, TraceRecorder recorder)
    {
        lock (_gate)
        {
            (long start, int name) = _lanes[lane];
            _lanes[lane] = default;
            return (start, name, recorder.IsOn);
        }
    }

    /// <summary>
    /// Turns the recorder off and returns the requests that have not ended, in one step: every request is either among them or was closed while
    /// the recorder was on.
    /// </summary>
    internal (int Lane, long Start, int Name)[] TurnOff(TraceRecorder recorder)
    {
        lock (_gate)
        {
            recorder.IsOn = false;
            return [.. _lanes.Select((lane, i) => (i, lane.Start, lane.Name)).Where(lane => lane.Start != 0)];
        }
    }
}
