namespace SgLang.Profiling;

/// <summary>
/// Puts slices of a track on lanes so that those of one lane nest or are apart, as viewers need it: a slice that partly overlaps what is open
/// goes to the next lane. Slices come in the order of their starts, the longer first.
/// </summary>
internal sealed class SliceLanes
{
    private readonly Dictionary<long, List<Stack<long>>> _tracks = [];

    /// <summary>The lane of the next slice; 0 is the track itself.</summary>
    public int Place(long track, long start, long end)
    {
        if (!_tracks.TryGetValue(track, out List<Stack<long>>? lanes)) _tracks.Add(track, lanes = []);
        for (int lane = 0; ; lane++)
        {
            if (lane == lanes.Count) lanes.Add(new Stack<long>());
            Stack<long> open = lanes[lane];
            while (open.Count > 0 && open.Peek() <= start) open.Pop();
            if (open.Count > 0 && open.Peek() < end) continue;
            open.Push(end);
            return lane;
        }
    }

    /// <summary>How many lanes a track has come to need.</summary>
    public int Count(long track) => _tracks.TryGetValue(track, out List<Stack<long>>? lanes) ? lanes.Count : 0;
}
