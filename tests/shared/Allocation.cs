namespace SgLang.Tests.Shared;

/// <summary>Measures managed allocation of steady work.</summary>
internal static class Allocation
{
    private const int MaxWindows = 5;

    /// <summary>
    /// Bytes that the calling thread allocates while <paramref name="work"/> runs, the least of a few repeats. A collection that another
    /// test causes retires the thread's allocation buffer and counts its unused rest, up to 8 KiB; work that allocates does so every time.
    /// </summary>
    public static long Of(Action work)
    {
        long least = long.MaxValue;
        for (int window = 0; window < MaxWindows && least > 0; window++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            work();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        return least;
    }
}
