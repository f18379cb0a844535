using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace SgLang.Benchmarks;

/// <summary>
/// Receives from sockets together with the time at which the kernel put the bytes there (SO_TIMESTAMPNS; Linux on 64 bits). Bytes of several arrivals that are
/// received at once have the time of the last one. Not thread safe.
/// </summary>
internal sealed class SocketTimes
{
    /// <summary>Instead of a count: no bytes are there.</summary>
    public const int Nothing = -1;

    private const int SolSocket = 1, SoTimestampNs = 35, MsgDontWait = 0x40, Again = 11;
    private const int ControlBytes = 64, HeaderBytes = 16; // cmsghdr: size, level, type
    private const int SchedFifo = 1;

    private readonly byte[] _control = GC.AllocateArray<byte>(ControlBytes, pinned: true);
    private readonly IoVector[] _vector = GC.AllocateArray<IoVector>(1, pinned: true);
    private long _offset; // of Stopwatch's clock from the wall clock, nanoseconds

    public static void Enable(Socket socket) => socket.SetRawSocketOption(SolSocket, SoTimestampNs, BitConverter.GetBytes(1));

    /// <summary>Puts this thread behind those that are as they were started: less nice, or below them in real time.</summary>
    public static void YieldToOthers()
    {
        int lowest = 1;
        if (sched_getscheduler(0) == SchedFifo) _ = sched_setscheduler(0, SchedFifo, ref lowest);
        else Process.GetCurrentProcess().PriorityClass = ProcessPriorityClass.BelowNormal;
    }

    /// <summary>Compares the clocks; before a sweep, since the wall clock is slewed.</summary>
    public void Synchronize()
    {
        long least = long.MaxValue;
        for (int i = 0; i < 3; i++)
        {
            long before = Stopwatch.GetTimestamp(), wall = (DateTime.UtcNow - DateTime.UnixEpoch).Ticks * TimeSpan.NanosecondsPerTick, after = Stopwatch.GetTimestamp();
            if (after - before >= least) continue;
            least = after - before;
            _offset = ((before + after) / 2) - wall;
        }
    }

    /// <param name="buffer">Pinned; filled from <paramref name="start"/>.</param>
    /// <param name="at">In Stopwatch's ticks, which are nanoseconds on Linux.</param>
    /// <returns>Bytes, 0 at the end, or <see cref="Nothing"/>.</returns>
    public int Receive(Socket socket, byte[] buffer, int start, out long at)
    {
        _vector[0] = new IoVector(Marshal.UnsafeAddrOfPinnedArrayElement(buffer, start), buffer.Length - start);
        var message = new Message { Vector = Marshal.UnsafeAddrOfPinnedArrayElement(_vector, 0), VectorLength = 1, Control = Marshal.UnsafeAddrOfPinnedArrayElement(_control, 0), ControlLength = ControlBytes };
        nint read = recvmsg((int)socket.Handle, ref message, MsgDontWait);
        at = 0;
        if (read < 0) return Marshal.GetLastPInvokeError() == Again ? Nothing : throw new SocketException(Marshal.GetLastPInvokeError());
        if (read == 0) return 0;
        Span<byte> control = _control.AsSpan(0, (int)message.ControlLength);
        // Packets that wait for long are joined, and may lose their time: then that of reading, which is later.
        if (control.Length < HeaderBytes + (2 * sizeof(long)) || BitConverter.ToInt32(control[12..]) != SoTimestampNs) at = Stopwatch.GetTimestamp();
        else at = (BitConverter.ToInt64(control[HeaderBytes..]) * 1_000_000_000) + BitConverter.ToInt64(control[(HeaderBytes + sizeof(long))..]) + _offset;
        return (int)read;
    }

    [DllImport("libc", SetLastError = true)]
    private static extern nint recvmsg(int socket, ref Message message, int flags);

    [DllImport("libc")]
    private static extern int sched_getscheduler(int pid);

    [DllImport("libc")]
    private static extern int sched_setscheduler(int pid, int policy, ref int priority);

    /// <summary>struct iovec</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct IoVector(nint Address, nint Length);

    /// <summary>struct msghdr</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Message
    {
        public nint Name;
        public int NameLength;
        public nint Vector;
        public nint VectorLength;
        public nint Control;
        public nint ControlLength;
        public int Flags;
    }
}
