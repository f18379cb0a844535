using SgLang.Runtime;

namespace SgLang.Engine;

/// <summary>An I32 array of every step: written in page-locked memory, copied to the same device address each time.</summary>
internal sealed class StepBuffer : IDisposable
{
    private readonly DeviceContext _device;
    private readonly PinnedBuffer _host;
    private readonly DeviceBuffer _memory;

    public StepBuffer(DeviceContext device, int capacity, string name)
    {
        _device = device;
        _host = new PinnedBuffer(device, (long)capacity * sizeof(int));
        _memory = new DeviceBuffer(device, (long)capacity * sizeof(int), name);
    }

    /// <summary>The host side, to be filled before <see cref="Send"/>. The previous step's copy must have finished.</summary>
    public Span<int> Host(int count) => _host.AsSpan<int>(count);

    /// <summary>Queues the copy of the first values; returns the device's view of them.</summary>
    public Tensor Send(int count)
    {
        Tensor onDevice = _memory.AsTensor(DType.I32, count);
        if (count > 0) _device.Copy(onDevice, _host.AsTensor(DType.I32, count));
        return onDevice;
    }

    public Tensor Upload(ReadOnlySpan<int> values)
    {
        values.CopyTo(Host(values.Length));
        return Send(values.Length);
    }

    public void Dispose()
    {
        _memory.Dispose();
        _host.Dispose();
    }
}
