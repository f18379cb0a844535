using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using SgLang.Core;
using SgLang.Interop;
using SgLang.Profiling;
using static SgLang.Interop.SglNative;

namespace SgLang.Runtime;

/// <summary>
/// One device, or one share of the CPU, with one stream; the root of everything that lives on it. Used by one thread at a time. Work is
/// asynchronous on a GPU and complete on return on the CPU. Children (buffers, weights, plans) hold it alive, so the order of disposal
/// cannot destroy it under them.
/// </summary>
public sealed unsafe class DeviceContext : IDisposable
{
    private readonly ContextHandle? _owner;
    private SglContext _handle;

    private DeviceContext(ContextHandle? owner, DeviceKind kind, int ordinal)
    {
        _owner = owner;
        _handle = owner is null ? default : new SglContext(owner.DangerousGetHandle());
        Kind = kind;
        Ordinal = ordinal;
    }

    public DeviceKind Kind { get; }
    public int Ordinal { get; }

    /// <summary>True for a context without a device: operators do nothing and allocations are only counted. Used to measure.</summary>
    public bool IsMeta => _owner is null;

    /// <summary>Worker threads of a CPU context, the calling one included; 1 on a GPU.</summary>
    public int NumThreads { get; private init; } = 1;

    /// <summary>Who records this context's operators, or null.</summary>
    public OperatorTrace? Trace { get; set; }

    /// <summary>What has been allocated in this context.</summary>
    public MemoryLedger Memory { get; } = new();

    internal SglContext Handle => !_handle.IsNull ? _handle : Disposed();

    /// <param name="kind">Auto takes a GPU when there is one and its backend is installed, else the CPU.</param>
    /// <param name="numThreads">CPU: worker threads, the calling one included; 0 means one per physical core.</param>
    public static DeviceContext Create(DeviceKind kind, int ordinal = 0, int numThreads = 0)
    {
        kind = Resolve(kind);
        var options = new SglContextOptions { Kind = ToNative(kind), Ordinal = ordinal, NumThreads = numThreads };
        SglContext context;
        Check(sgl_context_create(&context, &options));
        var owner = new ContextHandle(context.Value);
        int threads;
        Check(sgl_context_num_threads(context, &threads));
        return new DeviceContext(owner, kind, ordinal) { NumThreads = threads };
    }

    /// <summary>A context without a device; see <see cref="IsMeta"/>.</summary>
    public static DeviceContext CreateMeta() => new(null, DeviceKind.Cpu, 0);

    public static int Count(DeviceKind kind)
    {
        int count;
        Check(sgl_device_count(&count, ToNative(kind)));
        return count;
    }

    /// <summary>Why <see cref="Count"/> of that kind is 0, for the user; empty if it is not.</summary>
    public static string UnavailableReason(DeviceKind kind) =>
        Text(sgl_device_unavailable_reason(ToNative(kind)));

    /// <summary>Auto becomes Cuda when there is such a device, else Cpu; other kinds are returned as they are.</summary>
    public static DeviceKind Resolve(DeviceKind kind) =>
        kind != DeviceKind.Auto ? kind : Count(DeviceKind.Cuda) > 0 ? DeviceKind.Cuda : DeviceKind.Cpu;

    public static DeviceInfo GetInfo(DeviceKind kind, int ordinal = 0)
    {
        SglDeviceInfo info;
        Check(sgl_device_get_info(&info, ToNative(Resolve(kind)), ordinal));
        return new DeviceInfo
        {
            Kind = FromNative(info.Kind),
            Ordinal = info.Ordinal,
            Name = Text(info.Name),
            Isa = Text(info.Isa),
            ComputeMajor = info.ComputeMajor,
            ComputeMinor = info.ComputeMinor,
            NumProcessors = info.NumProcessors,
            SupportsGraphs = info.SupportsGraphs != 0,
            TotalMemoryBytes = checked((long)info.TotalMemoryBytes),
            FreeMemoryBytes = checked((long)info.FreeMemoryBytes),
        };
    }

    public DeviceInfo GetInfo() => GetInfo(Kind, Ordinal);

    /// <summary>What a profiler needs to know of the GPU; null on the CPU.</summary>
    public DeviceProperties? GetProperties()
    {
        if (Kind != DeviceKind.Cuda || IsMeta) return null;
        SglDeviceProperties properties;
        Check(sgl_context_get_properties(Handle, &properties));
        return DeviceProperties.FromNative(in properties);
    }

    /// <summary>Begins and ends the range that an external profiler captures, on the calling thread. Only on a GPU.</summary>
    public void StartProfiler() => Check(sgl_profiler_start(Handle));

    public void StopProfiler() => Check(sgl_profiler_stop(Handle));

    /// <summary>Waits until all work queued so far has finished.</summary>
    public void Synchronize()
    {
        if (!IsMeta) Check(sgl_context_synchronize(Handle));
    }

    /// <summary>
    /// Copies equal numbers of bytes between dense tensors in device or page-locked host memory, in stream order; neither side may be
    /// touched by the host until then.
    /// </summary>
    public void Copy(in Tensor destination, in Tensor source)
    {
        if (IsMeta) return;
        if (!destination.IsDense || !source.IsDense || destination.NumBytes != source.NumBytes) ThrowCopy(destination.ToString(), source.ToString());
        using OperatorSpan span = new(Trace, Operator.Copy);
        if (span.IsOn) span.Describe(in source, new OperatorCost(0, 2 * source.NumBytes));
        Check(sgl_memory_copy(Handle, (void*)destination.Data, (void*)source.Data, (ulong)source.NumBytes));
    }

    /// <summary>Copies any host memory to a dense tensor; returns when the source may be changed again.</summary>
    public void Upload<T>(in Tensor destination, ReadOnlySpan<T> source) where T : unmanaged
    {
        if (IsMeta) return;
        long bytes = (long)source.Length * sizeof(T);
        if (!destination.IsDense || destination.NumBytes != bytes) ThrowCopy(destination.ToString(), $"{bytes} bytes");
        fixed (T* data = source)
            Check(sgl_memory_copy(Handle, (void*)destination.Data, data, (ulong)bytes));
        Synchronize();
    }

    /// <summary>Copies a dense tensor to any host memory; returns when the values are there.</summary>
    public void Download<T>(Span<T> destination, in Tensor source) where T : unmanaged
    {
        if (IsMeta) return;
        long bytes = (long)destination.Length * sizeof(T);
        if (!source.IsDense || source.NumBytes != bytes) ThrowCopy($"{bytes} bytes", source.ToString());
        fixed (T* data = destination)
            Check(sgl_memory_copy(Handle, data, (void*)source.Data, (ulong)bytes));
        Synchronize();
    }

    /// <summary>Sets every byte of a dense tensor, in stream order.</summary>
    public void Fill(in Tensor destination, byte value)
    {
        if (IsMeta) return;
        if (!destination.IsDense) ThrowCopy(destination.ToString(), "one byte value");
        using OperatorSpan span = new(Trace, Operator.Fill);
        if (span.IsOn) span.Describe(in destination, new OperatorCost(0, destination.NumBytes));
        Check(sgl_memory_set(Handle, (void*)destination.Data, value, (ulong)destination.NumBytes));
    }

    public void Dispose()
    {
        _handle = default;
        _owner?.Dispose();
    }

    /// <summary>Called by each child at birth; <see cref="Release"/> at its death.</summary>
    internal void Retain()
    {
        bool added = false;
        _owner?.DangerousAddRef(ref added);
    }

    internal void Release() => _owner?.DangerousRelease();

    /// <summary>For destroy calls, which come after <see cref="Dispose"/> when a child outlives its context's user.</summary>
    internal SglContext HandleForDestroy => _owner is null ? default : new SglContext(_owner.DangerousGetHandle());

    internal static SglDeviceKind ToNative(DeviceKind kind) => kind switch
    {
        DeviceKind.Cpu => SglDeviceKind.Cpu,
        DeviceKind.Cuda => SglDeviceKind.Cuda,
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "resolve Auto first"),
    };

    private static DeviceKind FromNative(SglDeviceKind kind) => kind == SglDeviceKind.Cuda ? DeviceKind.Cuda : DeviceKind.Cpu;

    private SglContext Disposed() =>
        throw (IsMeta ? new InvalidOperationException("a meta context has no device") : new ObjectDisposedException(nameof(DeviceContext)));

    [DoesNotReturn]
    private static void ThrowCopy(string destination, string source) => throw new ArgumentException($"cannot copy {source} to {destination}: sizes differ or a tensor has gaps");

    private sealed class ContextHandle : SafeHandle
    {
        public ContextHandle(nint context) : base(0, ownsHandle: true) => SetHandle(context);

        public override bool IsInvalid => handle == 0;

        protected override bool ReleaseHandle()
        {
            sgl_context_destroy(new SglContext(handle));
            return true;
        }
    }
}
