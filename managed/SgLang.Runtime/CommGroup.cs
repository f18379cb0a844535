using SgLang.Core;
using SgLang.Interop;
using static SgLang.Interop.SglNative;

namespace SgLang.Runtime;

/// <summary>Ranks that work together: where their communicators meet. Outlives every <see cref="Communicator"/> made from it. Thread safe.</summary>
public sealed unsafe class CommGroup : IDisposable
{
    private SglCommGroup _handle;
    private int _numResets;

    /// <param name="kind">Kind of device of every rank.</param>
    /// <param name="timeout">How long a rank waits for the others before the group is aborted.</param>
    /// <param name="allowSharedDevice">Several ranks may be on one GPU.</param>
    /// <param name="disablePeerKernels">GPUs leave everything to NCCL.</param>
    public CommGroup(DeviceKind kind, int numRanks, TimeSpan timeout, bool allowSharedDevice = false, bool disablePeerKernels = false)
    {
        var options = new SglCommGroupOptions
        {
            Kind = DeviceContext.ToNative(kind),
            NumRanks = numRanks,
            TimeoutMs = (int)Math.Clamp(timeout.TotalMilliseconds, 1, int.MaxValue),
            AllowSharedDevice = allowSharedDevice ? 1 : 0,
            DisablePeerKernels = disablePeerKernels ? 1 : 0,
        };
        SglCommGroup group;
        Check(sgl_comm_group_create(&group, &options));
        _handle = group;
        NumRanks = numRanks;
    }

    public int NumRanks { get; }

    /// <summary>Rises with each <see cref="Reset"/>: what was sent and not received before it is gone.</summary>
    public int NumResets => Volatile.Read(ref _numResets);

    internal SglCommGroup Handle => !_handle.IsNull ? _handle : throw new ObjectDisposedException(nameof(CommGroup));

    /// <summary>Every call of any rank, under way or to come, fails with this reason, until <see cref="Reset"/>. The first reason stays.</summary>
    public void Abort(string reason)
    {
        byte[] text = System.Text.Encoding.UTF8.GetBytes(reason + '\0');
        fixed (byte* bytes = text) Check(sgl_comm_group_abort(Handle, bytes));
    }

    /// <summary>After an abort, with no rank inside a call: the group can be used again.</summary>
    public void Reset()
    {
        Check(sgl_comm_group_reset(Handle));
        Interlocked.Increment(ref _numResets);
    }

    public void Dispose()
    {
        sgl_comm_group_destroy(_handle);
        _handle = default;
    }
}
