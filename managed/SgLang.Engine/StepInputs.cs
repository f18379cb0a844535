using SgLang.Runtime;

namespace SgLang.Engine;

/// <summary>
/// The I32 arrays of a step: written one after another in page-locked memory and copied to the device at once. Arrays of the same lengths
/// have the same device addresses in every step, which is what a captured graph reads. Parts of the host side take turns, one for each step that
/// can be under way, so that the next step can be written while the copy of the last one waits for its turn in the stream.
/// </summary>
internal sealed class StepInputs : IDisposable
{
    /// <summary>Every array begins at a multiple of 256 bytes.</summary>
    private const int Alignment = 64;

    private readonly DeviceContext _device;
    private readonly PinnedBuffer _host;
    private readonly DeviceBuffer _memory;
    private readonly int _capacity;
    private int _slot;
    private int _used;

    /// <param name="numSlots">Parts of the host side.</param>
    /// <param name="lengths">The most values of each array of a step.</param>
    public StepInputs(DeviceContext device, int numSlots, params ReadOnlySpan<int> lengths)
    {
        _device = device;
        foreach (int length in lengths) _capacity = checked(_capacity + RoundUp(length));
        _host = new PinnedBuffer(device, (long)numSlots * _capacity * sizeof(int));
        _memory = new DeviceBuffer(device, (long)_capacity * sizeof(int), "step inputs");
    }

    /// <summary>Starts a step in one part of the host side, whose last copy must have finished.</summary>
    public void Begin(int slot)
    {
        _slot = slot;
        _used = 0;
    }

    /// <summary>The next array, to be filled before <see cref="Send"/>.</summary>
    public Span<int> Add(int count, out Tensor onDevice)
    {
        int first = _used;
        _used += RoundUp(count);
        if (_used > _capacity) throw new InvalidOperationException($"step inputs of {_used} values where there is room for {_capacity}");
        onDevice = _memory.View((long)first * sizeof(int), DType.I32, count);
        return _host.AsSpan<int>().Slice((_slot * _capacity) + first, count);
    }

    public Tensor Add(ReadOnlySpan<int> values)
    {
        values.CopyTo(Add(values.Length, out Tensor onDevice));
        return onDevice;
    }

    /// <summary>Queues the copy of all arrays since <see cref="Begin"/>.</summary>
    public void Send()
    {
        if (_used == 0) return;
        _device.Copy(_memory.AsTensor(DType.I32, _used), _host.View((long)_slot * _capacity * sizeof(int), DType.I32, _used));
    }

    public void Dispose()
    {
        _memory.Dispose();
        _host.Dispose();
    }

    private static int RoundUp(int count) => (count + Alignment - 1) / Alignment * Alignment;
}
