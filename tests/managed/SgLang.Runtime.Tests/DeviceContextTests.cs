using SgLang.Core;
using SgLang.Interop;

namespace SgLang.Runtime.Tests;

public class DeviceContextTests
{
    [Fact]
    public void The_cpu_describes_itself()
    {
        DeviceInfo info = DeviceContext.GetInfo(DeviceKind.Cpu);
        Assert.Equal(DeviceKind.Cpu, info.Kind);
        Assert.NotEmpty(info.Name);
        Assert.NotEmpty(info.Isa);
        Assert.True(info.NumProcessors >= 1);
        Assert.True(info.TotalMemoryBytes > info.FreeMemoryBytes && info.FreeMemoryBytes > 0);
    }

    [Fact]
    public void Auto_is_a_gpu_or_the_cpu_with_a_reason()
    {
        DeviceKind kind = DeviceContext.Resolve(DeviceKind.Auto);
        if (DeviceContext.Count(DeviceKind.Cuda) > 0) Assert.Equal(DeviceKind.Cuda, kind);
        else
        {
            Assert.Equal(DeviceKind.Cpu, kind);
            Assert.NotEmpty(DeviceContext.UnavailableReason(DeviceKind.Cuda));
        }
    }

    [Fact]
    public void Threads_are_those_asked_for()
    {
        using DeviceContext two = DeviceContext.Create(DeviceKind.Cpu, numThreads: 2);
        Assert.Equal(2, two.NumThreads);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(129)]
    public void What_is_uploaded_is_downloaded(int count)
    {
        using DeviceContext device = DeviceContext.Create(DeviceKind.Cpu, numThreads: 1);
        using var buffer = new DeviceBuffer(device, 129 * 4, "numbers");
        using var pinned = new PinnedBuffer(device, 129 * 4);
        int[] values = [.. Enumerable.Range(7, count)];
        Tensor tensor = buffer.AsTensor(DType.I32, count);
        device.Upload<int>(tensor, values);
        var back = new int[count];
        device.Download(back.AsSpan(), tensor);
        Assert.Equal(values, back);
        device.Copy(pinned.AsTensor(DType.I32, count), tensor);
        device.Synchronize();
        Assert.Equal(values, pinned.AsSpan<int>(count).ToArray());
        device.Fill(tensor, 0xFF);
        device.Download(back.AsSpan(), tensor);
        Assert.All(back, value => Assert.Equal(-1, value));
    }

    [Fact]
    public void Copies_of_unequal_size_and_views_past_the_end_are_refused()
    {
        using DeviceContext device = DeviceContext.Create(DeviceKind.Cpu, numThreads: 1);
        using var buffer = new DeviceBuffer(device, 64, "numbers");
        Assert.Throws<ArgumentException>(() => device.Upload<int>(buffer.AsTensor(DType.I32, 4), [1, 2, 3]));
        Assert.Throws<ArgumentException>(() => buffer.AsTensor(DType.I32, 17));
        Assert.Throws<ArgumentException>(() => buffer.View(-4, DType.I32, 1));
        Assert.Throws<ArgumentException>(() => device.Copy(buffer.AsTensor(DType.I32, 4), buffer.AsTensor(DType.I32, 5)));
    }

    [Fact]
    public void A_block_too_large_names_what_it_was_for()
    {
        using DeviceContext device = DeviceContext.Create(DeviceKind.Cpu, numThreads: 1);
        var error = Assert.Throws<OutOfDeviceMemoryException>(() => new DeviceBuffer(device, 1L << 50, "KV cache"));
        Assert.StartsWith("'KV cache' needs 1125899906842624 bytes of device memory: ", error.Message);
    }

    [Fact]
    public void A_context_lives_until_its_last_child_is_gone()
    {
        DeviceContext device = DeviceContext.Create(DeviceKind.Cpu, numThreads: 1);
        var buffer = new DeviceBuffer(device, 64, "child");
        device.Dispose();
        Assert.Throws<ObjectDisposedException>(() => device.Upload<byte>(buffer.AsTensor(DType.U8, 4), new byte[4]));
        buffer.Dispose();
        buffer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => buffer.AsTensor(DType.U8, 4));
    }

    [Fact]
    public void Events_complete_in_order()
    {
        using DeviceContext device = DeviceContext.Create(DeviceKind.Cpu, numThreads: 1);
        using var start = new DeviceEvent(device);
        using var stop = new DeviceEvent(device);
        start.Record();
        stop.Record();
        stop.Synchronize();
        Assert.True(start.IsComplete && stop.IsComplete);
        Assert.True(stop.MicrosecondsSince(start) >= 0);
    }

    [Fact]
    public void Graphs_are_refused_where_the_device_has_none()
    {
        using DeviceContext device = DeviceContext.Create(DeviceKind.Cpu, numThreads: 1);
        Assert.False(device.GetInfo().SupportsGraphs);
        var error = Assert.Throws<SglException>(() => GraphExec.Capture(device, () => { }));
        Assert.Equal(SglStatus.Unsupported, error.Status);
    }

    [Fact]
    public void A_meta_context_has_no_device_and_its_operators_do_nothing()
    {
        using DeviceContext meta = DeviceContext.CreateMeta();
        var x = new Tensor(256, DType.F32, 1_000_000, 1_000_000);
        Ops.Add(meta, x, x, x);
        using var weight = new PackedWeight(meta, DType.BF16, 1_000_000, 1_000_000);
        Assert.Equal(2_000_000_000_000, weight.NumBytes);
        Ops.Linear(meta, x, x, weight);
        using var buffer = new DeviceBuffer(meta, 1L << 50, "huge");
        Assert.Equal(1L << 50, buffer.NumBytes);
    }
}
