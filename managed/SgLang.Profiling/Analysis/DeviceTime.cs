namespace SgLang.Profiling;

/// <summary>Sums up one device: what ran when, what overlapped, and why it idled.</summary>
/// <param name="work">Of the device, in the order of starts.</param>
/// <param name="origins">Of each piece.</param>
internal sealed class DeviceTime(HostNest host, DeviceWork[] work, Origin[] origins)
{
    private long _idleHost, _idleLaunch, _idleSynchronisation, _idleUnknown;

    public DeviceSummary Summarize(string name)
    {
        long busyUntil = work[0].Start, busy = 0;
        for (int i = 0; i < work.Length; i++)
        {
            if (work[i].Start > busyUntil) Blame(busyUntil, work[i].Start, origins[i].Launch);
            busy += Math.Max(0, work[i].End - Math.Max(busyUntil, work[i].Start));
            busyUntil = Math.Max(busyUntil, work[i].End);
        }
        List<(long Start, long End)> communication = Union(WorkKind.Communication), others = Merge(Union(WorkKind.Compute), Union(WorkKind.Memory));
        return new DeviceSummary(name, work[0].Start, busyUntil, busy, Length(Union(WorkKind.Compute)), Length(communication), Length(Union(WorkKind.Memory)),
            Common(communication, others), _idleHost, _idleLaunch, _idleSynchronisation, _idleUnknown);
    }

    /// <summary>
    /// A gap ends with a piece of work. What of the gap lies behind the start of the host's call is the launch's; what lies before it the host
    /// needed to get there: waiting for the device, launching something else, or its own work.
    /// </summary>
    private void Blame(long start, long end, int launch)
    {
        if (launch < 0)
        {
            _idleUnknown += end - start;
            return;
        }
        long called = Math.Clamp(host[launch].Start, start, end);
        _idleLaunch += end - called;
        (long waits, long launches) = CallsBetween(host[launch].Thread, start, called);
        _idleSynchronisation += waits;
        _idleLaunch += launches;
        _idleHost += called - start - waits - launches;
    }

    private (long Waits, long Launches) CallsBetween(int thread, long start, long end)
    {
        long waits = 0, launches = 0, covered = start;
        (int first, int last) = host.Thread(thread);
        int i = host.FirstFrom(thread, start);
        // Calls do not nest in one another but for one level, so what began before the gap and reaches into it is near.
        for (int back = 0; i > first && back < 256 && host[i - 1].Start < start; back++) i--;
        for (; i < last && host[i].Start < end; i++)
        {
            ref readonly HostSpanOf span = ref host[i];
            if (span.Kind is not (HostKind.Wait or HostKind.Launch)) continue;
            long from = Math.Max(covered, span.Start), to = Math.Min(end, span.End);
            if (to <= from) continue;
            if (span.Kind == HostKind.Wait) waits += to - from;
            else launches += to - from;
            covered = to;
        }
        return (waits, launches);
    }

    private List<(long Start, long End)> Union(WorkKind kind)
    {
        List<(long Start, long End)> union = [];
        foreach (DeviceWork one in work)
        {
            if (one.Kind != kind) continue;
            if (union.Count > 0 && one.Start <= union[^1].End) union[^1] = (union[^1].Start, Math.Max(union[^1].End, one.End));
            else union.Add((one.Start, one.End));
        }
        return union;
    }

    private static List<(long Start, long End)> Merge(List<(long Start, long End)> a, List<(long Start, long End)> b)
    {
        List<(long Start, long End)> merged = [];
        for (int i = 0, j = 0; i < a.Count || j < b.Count;)
        {
            (long Start, long End) next = j == b.Count || (i < a.Count && a[i].Start <= b[j].Start) ? a[i++] : b[j++];
            if (merged.Count > 0 && next.Start <= merged[^1].End) merged[^1] = (merged[^1].Start, Math.Max(merged[^1].End, next.End));
            else merged.Add(next);
        }
        return merged;
    }

    private static long Length(List<(long Start, long End)> spans)
    {
        long length = 0;
        foreach ((long start, long end) in spans) length += end - start;
        return length;
    }

    private static long Common(List<(long Start, long End)> a, List<(long Start, long End)> b)
    {
        long common = 0;
        for (int i = 0, j = 0; i < a.Count && j < b.Count;)
        {
            common += Math.Max(0, Math.Min(a[i].End, b[j].End) - Math.Max(a[i].Start, b[j].Start));
            if (a[i].End <= b[j].End) i++;
            else j++;
        }
        return common;
    }
}
