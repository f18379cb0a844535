using System.Diagnostics;

namespace SgLang.Engine;

/// <summary>
/// How long the latest decode steps of each batch size took (SGLANG_RECORD_STEP_TIME). Written by the engine's thread, which allocates only at the
/// first step of a size; read by anybody.
/// </summary>
internal sealed class StepTimes(int maxBatch)
{
    /// <summary>Steps kept of each size.</summary>
    public const int Kept = 256;

    private readonly float[]?[] _seconds = new float[]?[maxBatch + 1];
    private readonly long[] _counts = new long[maxBatch + 1];

    public void Add(int batch, long ticks)
    {
        float[] times = _seconds[batch] ??= new float[Kept];
        times[_counts[batch] % Kept] = (float)((double)ticks / Stopwatch.Frequency);
        Volatile.Write(ref _counts[batch], _counts[batch] + 1);
    }

    /// <summary>Seconds by batch size, in no order.</summary>
    public Dictionary<int, float[]> Read()
    {
        Dictionary<int, float[]> read = [];
        for (int batch = 0; batch < _counts.Length; batch++)
        {
            long count = Volatile.Read(ref _counts[batch]);
            if (count > 0) read.Add(batch, _seconds[batch].AsSpan(0, (int)Math.Min(count, Kept)).ToArray());
        }
        return read;
    }
}
