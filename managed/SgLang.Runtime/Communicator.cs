using System.Diagnostics;
using SgLang.Interop;
using static SgLang.Interop.SglNative;

namespace SgLang.Runtime;

/// <summary>
/// One rank's place in a group. Used by the thread of its context; all ranks make the same calls in the same order. Meanings and shapes are
/// those of native/include/sgl/comm.h. In a meta context it has ranks and does nothing. No call allocates managed memory.
/// </summary>
public sealed unsafe class Communicator : IPeerLink
{
    private static readonly string[] s_calls = ["all_reduce", "all_reduce_add_rms_norm", "all_gather", "reduce_scatter", "all_to_all", "broadcast", "send", "receive", "barrier"];

    private readonly DeviceContext _context;
    private readonly CommGroup _group;
    private readonly string _name;
    private readonly int[] _spanNames = new int[s_calls.Length]; // registered name + 1; 0 until first recorded
    private SglCommunicator _handle;

    /// <param name="name">Of the group, in traces.</param>
    public Communicator(DeviceContext context, CommGroup group, int rank, string name = "world")
    {
        _name = name;
        _context = context;
        _group = group;
        Rank = rank;
        NumRanks = group.NumRanks;
        if (!context.IsMeta)
        {
            SglCommunicator communicator;
            Check(sgl_communicator_create(context.Handle, &communicator, group.Handle, rank));
            _handle = communicator;
            int supportsCapture;
            Check(sgl_communicator_supports_capture(communicator, &supportsCapture));
            SupportsCapture = supportsCapture != 0;
        }
        context.Retain();
    }

    public int Rank { get; }
    public int NumRanks { get; }

    /// <inheritdoc cref="CommGroup.NumResets"/>
    public int NumResets => _group.NumResets;

    /// <summary>Whether calls, but send and receive, may be recorded into graphs; all ranks then record the same.</summary>
    public bool SupportsCapture { get; }

    private SglCommunicator Handle => !_handle.IsNull ? _handle : throw new ObjectDisposedException(nameof(Communicator));

    /// <summary>y = sum over ranks of x, plus residual (equal on all ranks) where given. y may be x or residual.</summary>
    /// <param name="x">Of y's type or F32; all dense and of one shape.</param>
    public void AllReduce(in Tensor y, in Tensor x, in Tensor residual = default)
    {
        if (_context.IsMeta) return;
        using CallSpan span = new(this, Call.AllReduce, x.NumBytes);
        fixed (Tensor* py = &y, px = &x, pr = &residual)
            Check(sgl_all_reduce(_context.Handle, Handle, (SglTensor*)py, (SglTensor*)px, residual.IsNone ? null : (SglTensor*)pr));
    }

    /// <summary>residual += sum over ranks of x; y = its RMS norm times the weight. All but the weight [w] are [n, w].</summary>
    /// <param name="x">Of y's type or F32.</param>
    public void AllReduceAddRmsNorm(in Tensor y, in Tensor residual, in Tensor x, in Tensor weight, float eps)
    {
        if (_context.IsMeta) return;
        using CallSpan span = new(this, Call.AllReduceAddRmsNorm, x.NumBytes);
        fixed (Tensor* py = &y, pr = &residual, px = &x, pw = &weight)
            Check(sgl_all_reduce_add_rms_norm(_context.Handle, Handle, (SglTensor*)py, (SglTensor*)pr, (SglTensor*)px, (SglTensor*)pw, eps));
    }

    /// <summary>y [n, ranks * w] = the ranks' x [n, w] side by side.</summary>
    public void AllGatherColumns(in Tensor y, in Tensor x)
    {
        if (_context.IsMeta) return;
        using CallSpan span = new(this, Call.AllGather, y.NumBytes);
        fixed (Tensor* py = &y, px = &x) Check(sgl_all_gather_columns(_context.Handle, Handle, (SglTensor*)py, (SglTensor*)px));
    }

    /// <summary>y [ranks * n, w] = the ranks' x [n, w] one below the other.</summary>
    public void AllGatherRows(in Tensor y, in Tensor x)
    {
        if (_context.IsMeta) return;
        using CallSpan span = new(this, Call.AllGather, y.NumBytes);
        fixed (Tensor* py = &y, px = &x) Check(sgl_all_gather_rows(_context.Handle, Handle, (SglTensor*)py, (SglTensor*)px));
    }

    /// <summary>y [n, w] = this rank's rows of the sum over ranks of x [ranks * n, w].</summary>
    public void ReduceScatter(in Tensor y, in Tensor x)
    {
        if (_context.IsMeta) return;
        using CallSpan span = new(this, Call.ReduceScatter, x.NumBytes);
        fixed (Tensor* py = &y, px = &x) Check(sgl_reduce_scatter(_context.Handle, Handle, (SglTensor*)py, (SglTensor*)px));
    }

    /// <summary>Rows of x, grouped by destination, become rows of y, grouped by source.</summary>
    /// <param name="receiveCounts">[ranks]: rows from each.</param>
    /// <param name="sendCounts">[ranks]: rows for each.</param>
    public void AllToAll(in Tensor y, in Tensor x, ReadOnlySpan<long> receiveCounts, ReadOnlySpan<long> sendCounts)
    {
        if (_context.IsMeta) return;
        using CallSpan span = new(this, Call.AllToAll, x.NumBytes);
        if (receiveCounts.Length != NumRanks || sendCounts.Length != NumRanks)
            throw new ArgumentException($"all_to_all of {NumRanks} ranks: {receiveCounts.Length} receive counts and {sendCounts.Length} send counts");
        fixed (Tensor* py = &y, px = &x)
        fixed (long* received = receiveCounts, sent = sendCounts)
            Check(sgl_all_to_all(_context.Handle, Handle, (SglTensor*)py, (SglTensor*)px, received, sent));
    }

    /// <summary>x of the root becomes every rank's.</summary>
    public void Broadcast(in Tensor x, int root)
    {
        if (_context.IsMeta) return;
        using CallSpan span = new(this, Call.Broadcast, x.NumBytes);
        fixed (Tensor* px = &x) Check(sgl_broadcast(_context.Handle, Handle, (SglTensor*)px, root));
    }

    public void Send(in Tensor x, int peer)
    {
        if (_context.IsMeta) return;
        using CallSpan span = new(this, Call.Send, x.NumBytes);
        fixed (Tensor* px = &x) Check(sgl_send(_context.Handle, Handle, (SglTensor*)px, peer));
    }

    /// <summary>Waits for the next tensor from a peer, which must be of y's type and size.</summary>
    public void Receive(in Tensor y, int peer)
    {
        if (_context.IsMeta) return;
        using CallSpan span = new(this, Call.Receive, y.NumBytes);
        fixed (Tensor* py = &y) Check(sgl_receive(_context.Handle, Handle, (SglTensor*)py, peer));
    }

    public void Barrier()
    {
        if (_context.IsMeta) return;
        using CallSpan span = new(this, Call.Barrier, 0);
        Check(sgl_barrier(_context.Handle, Handle));
    }

    public void Dispose()
    {
        if (_handle.IsNull) return;
        sgl_communicator_destroy(_handle);
        _handle = default;
        _context.Release();
    }

    private enum Call
    {
        AllReduce,
        AllReduceAddRmsNorm,
        AllGather,
        ReduceScatter,
        AllToAll,
        Broadcast,
        Send,
        Receive,
        Barrier,
    }

    /// <summary>A call at work: while steps are recorded it leaves a span "comm::all_reduce tp" with its bytes and number of ranks.</summary>
    private readonly ref struct CallSpan
    {
        private readonly Communicator? _self;
        private readonly Call _call;
        private readonly long _bytes;
        private readonly long _start;

        public CallSpan(Communicator self, Call call, long bytes)
        {
            if (self._context.Trace is not { IsRecording: true }) return;
            _self = self;
            _call = call;
            _bytes = bytes;
            _start = Stopwatch.GetTimestamp();
        }

        public void Dispose()
        {
            if (_self is null) return;
            OperatorTrace trace = _self._context.Trace!;
            ref int name = ref _self._spanNames[(int)_call];
            if (name == 0) name = trace.Register($"comm::{s_calls[(int)_call]} {_self._name}", "bytes", "ranks") + 1;
            trace.Communicated(_start, name - 1, _bytes, _self.NumRanks);
        }
    }
}
