using SgLang.Runtime;

namespace SgLang.Engine;

/// <summary>The k largest log-probabilities of each row, on the device and, once the work queued so far has finished, on the host.</summary>
internal sealed class TopScores : IDisposable
{
    private readonly DeviceContext _device;
    private readonly DeviceBuffer _logprobs;
    private readonly DeviceBuffer _ids;
    private readonly PinnedBuffer _logprobsOnHost;
    private readonly PinnedBuffer _idsOnHost;
    private readonly long _capacity;
    private int _k;

    private TopScores(DeviceContext device, long capacity)
    {
        _device = device;
        _capacity = capacity;
        _logprobs = new DeviceBuffer(device, capacity * sizeof(float), "top log-probabilities");
        _ids = new DeviceBuffer(device, capacity * sizeof(int), "top ids");
        _logprobsOnHost = new PinnedBuffer(device, capacity * sizeof(float));
        _idsOnHost = new PinnedBuffer(device, capacity * sizeof(int));
    }

    /// <summary>The given buffers if they are large enough, else new ones in their place; for k scores a row from now on.</summary>
    public static TopScores Ensure(TopScores? existing, DeviceContext device, int numRows, int k)
    {
        long needed = (long)numRows * k;
        if (existing is null || existing._capacity < needed)
        {
            existing?.Dispose();
            existing = new TopScores(device, needed);
        }
        existing._k = k;
        return existing;
    }

    /// <summary>
    /// Scores the targets (I32 [n]) into <paramref name="targetLogprobs"/> and the k largest of each row of logits into the rows from
    /// <paramref name="firstRow"/> on.
    /// </summary>
    public void Compute(int firstRow, in Tensor logits, in Tensor targetLogprobs, in Tensor targets, ReadOnlySpan<float> temperatures)
    {
        long rows = logits.NumRows, first = (long)firstRow * _k * sizeof(float);
        Tensor logprobs = _logprobs.View(first, DType.F32, rows, _k);
        Tensor ids = _ids.View(first, DType.I32, rows, _k);
        Ops.Logprobs(_device, targetLogprobs, logprobs, ids, logits, targets, temperatures);
        _device.Copy(_logprobsOnHost.View(first, DType.F32, rows, _k), logprobs);
        _device.Copy(_idsOnHost.View(first, DType.I32, rows, _k), ids);
    }

    /// <summary>The first <paramref name="count"/> of a row, in falling order.</summary>
    public TokenLogprob[] Row(int row, int count)
    {
        ReadOnlySpan<float> logprobs = _logprobsOnHost.AsSpan<float>().Slice(row * _k, count);
        ReadOnlySpan<int> ids = _idsOnHost.AsSpan<int>().Slice(row * _k, count);
        TokenLogprob[] scores = new TokenLogprob[count];
        for (int i = 0; i < count; i++) scores[i] = new TokenLogprob(logprobs[i], ids[i]);
        return scores;
    }

    public void Dispose()
    {
        _idsOnHost.Dispose();
        _logprobsOnHost.Dispose();
        _ids.Dispose();
        _logprobs.Dispose();
    }
}
