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

    public (long Start, int Name) Close(int lane)
    {
        lock (_gate)
        {
            (long, int) closed = _lanes[lane];
            _lanes[lane] = default;
            return closed;
        }
    }

    /// <summary>Requests that have not ended.</summary>
    public (int Lane, long Start, int Name)[] Unfinished()
    {
        lock (_gate) return [.. _lanes.Select((lane, i) => (i, lane.Start, lane.Name)).Where(lane => lane.Start != 0)];
    }
}
