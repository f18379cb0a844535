using SgLang.Runtime;

namespace SgLang.Engine;

/// <summary>The k largest log-probabilities of each row, on the device and, after the context was synchronised, on the host.</summary>
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

    /// <summary>The given buffers if they are large enough, else new ones in their place.</summary>
    public static TopScores Ensure(TopScores? existing, DeviceContext device, int numRows, int k)
    {
        long needed = (long)numRows * k;
        if (existing is not null && existing._capacity >= needed) return existing;
        existing?.Dispose();
        return new TopScores(device, needed);
    }

    /// <summary>Scores the targets (I32 [n]) into <paramref name="targetLogprobs"/> and the k largest of each row into this.</summary>
    public void Compute(in Tensor logits, in Tensor targetLogprobs, in Tensor targets, int k, ReadOnlySpan<float> temperatures)
    {
        _k = k;
        long rows = logits.NumRows;
        Tensor logprobs = _logprobs.AsTensor(DType.F32, rows, k);
        Tensor ids = _ids.AsTensor(DType.I32, rows, k);
        Ops.Logprobs(_device, targetLogprobs, logprobs, ids, logits, targets, temperatures);
        _device.Copy(_logprobsOnHost.AsTensor(DType.F32, rows, k), logprobs);
        _device.Copy(_idsOnHost.AsTensor(DType.I32, rows, k), ids);
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
