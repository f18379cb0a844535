using System.Runtime;

namespace SgLang.Bench.Load;

/// <summary>Keeps the garbage collector away while times are taken: garbage is collected before, and memory for what is to come is set aside.</summary>
internal sealed class QuietMemory : IDisposable
{
    private const long ReservedBytes = 64L << 20;

    private readonly GCLatencyMode _before = GCSettings.LatencyMode;

    public QuietMemory()
    {
        GC.Collect();
        try
        {
            if (GC.TryStartNoGCRegion(ReservedBytes)) return;
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentOutOfRangeException)
        {
            // Another measurement of this process has the region, or the machine is too small for it.
        }
        if (GCSettings.LatencyMode != GCLatencyMode.NoGCRegion) GCSettings.LatencyMode = GCLatencyMode.SustainedLowLatency;
    }

    public void Dispose()
    {
        try
        {
            // A run that allocated more has left the region by itself.
            if (GCSettings.LatencyMode == GCLatencyMode.NoGCRegion) GC.EndNoGCRegion();
            // What another measurement had begun is its to end, and cannot be set.
            else if (_before != GCLatencyMode.NoGCRegion) GCSettings.LatencyMode = _before;
        }
        catch (InvalidOperationException)
        {
            // It was left between the question and the answer.
        }
    }
}
