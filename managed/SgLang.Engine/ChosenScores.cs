using SgLang.Runtime;

namespace SgLang.Engine;

/// <summary>
/// Log-probabilities of ids that requests name themselves, row by row, on the device and, once the work queued so far has finished, on the
/// host.
/// </summary>
internal sealed class ChosenScores : IDisposable
{
    private readonly DeviceContext _device;
    private readonly DeviceBuffer _ids;
    private readonly DeviceBuffer _logprobs;
    private readonly PinnedBuffer _idsOnHost;
    private readonly PinnedBuffer _logprobsOnHost;
    private readonly int _capacity;
    private int _used;

    private ChosenScores(DeviceContext device, int capacity)
    {
        _device = device;
        _capacity = capacity;
        _ids = new DeviceBuffer(device, (long)capacity * sizeof(int), "chosen ids");
        _logprobs = new DeviceBuffer(device, (long)capacity * sizeof(float), "log-probabilities of chosen ids");
        _idsOnHost = new PinnedBuffer(device, (long)capacity * sizeof(int));
        _logprobsOnHost = new PinnedBuffer(device, (long)capacity * sizeof(float));
    }

    /// <summary>The given buffers, emptied, if they hold <paramref name="count"/> scores, else new ones in their place.</summary>
    public static ChosenScores Ensure(ChosenScores? existing, DeviceContext device, int count)
    {
        if (existing is null || existing._capacity < count)
        {
            existing?.Dispose();
            existing = new ChosenScores(device, count);
        }
        existing._used = 0;
        return existing;
    }

    /// <summary>Queues the scores of one row.</summary>
    /// <param name="logits">F32 [1, vocabulary]</param>
    /// <param name="temperature">0 counts as 1.</param>
    public void Compute(in Tensor logits, int[] ids, float temperature)
    {
        int count = ids.Length;
        long at = (long)_used * sizeof(int);
        ids.CopyTo(_idsOnHost.AsSpan<int>().Slice(_used, count));
        Tensor targets = _ids.View(at, DType.I32, count), logprobs = _logprobs.View(at, DType.F32, count);
        _device.Copy(targets, _idsOnHost.View(at, DType.I32, count));
        Span<float> temperatures = stackalloc float[Core.LogprobOptions.MaxTokenIds];
        temperatures[..count].Fill(temperature);
        Ops.Logprobs(_device, logprobs, default, default, logits.RepeatRow(0, count), targets, temperatures[..count]);
        _device.Copy(_logprobsOnHost.View(at, DType.F32, count), logprobs);
        _used += count;
    }

    /// <summary>The scores of the row whose first is the <paramref name="first"/>-th computed.</summary>
    public TokenLogprob[] Row(int first, int[] ids)
    {
        ReadOnlySpan<float> logprobs = _logprobsOnHost.AsSpan<float>().Slice(first, ids.Length);
        TokenLogprob[] scores = new TokenLogprob[ids.Length];
        for (int i = 0; i < scores.Length; i++) scores[i] = new TokenLogprob(logprobs[i], ids[i]);
        return scores;
    }

    public void Dispose()
    {
        _logprobsOnHost.Dispose();
        _idsOnHost.Dispose();
        _logprobs.Dispose();
        _ids.Dispose();
    }
}
