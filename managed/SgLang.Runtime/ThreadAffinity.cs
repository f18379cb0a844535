using System.Runtime.InteropServices;

namespace SgLang.Runtime;

/// <summary>Processors that the calling thread may run on, and those that the native library starts from it, such as a device's workers. Linux.</summary>
public static unsafe partial class ThreadAffinity
{
    private const int MaxProcessors = 8192;

    /// <summary>In rising order; empty where the system does not say.</summary>
    public static int[] Read()
    {
        ulong* mask = stackalloc ulong[MaxProcessors / 64];
        if (GetAffinity(0, MaxProcessors / 8, mask) < 0) return [];
        List<int> processors = [];
        for (int processor = 0; processor < MaxProcessors; processor++)
            if ((mask[processor / 64] >> (processor % 64) & 1) != 0) processors.Add(processor);
        return [.. processors];
    }

    /// <summary>Returns false, and changes nothing, where the system refuses.</summary>
    public static bool TrySet(ReadOnlySpan<int> processors)
    {
        ulong* mask = stackalloc ulong[MaxProcessors / 64];
        foreach (int processor in processors)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)processor, (uint)MaxProcessors, nameof(processors));
            mask[processor / 64] |= 1ul << (processor % 64);
        }
        return SetAffinity(0, MaxProcessors / 8, mask) == 0;
    }

    /// <param name="pid">0: the calling thread.</param>
    [LibraryImport("libc", EntryPoint = "sched_getaffinity")]
    private static partial int GetAffinity(int pid, nuint bytes, ulong* mask);

    [LibraryImport("libc", EntryPoint = "sched_setaffinity")]
    private static partial int SetAffinity(int pid, nuint bytes, ulong* mask);
}
