using System.Diagnostics;
using System.Net.Sockets;

namespace SgLang.Benchmarks;

/// <summary>Asks for /health over one connection, again and again, and notes how long each answer took to come.</summary>
internal sealed class HealthPoll : IDisposable
{
    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(20);

    private readonly Socket _socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(4096, pinned: true);
    private long _asked;
    private bool _isWaiting;

    public HealthPoll(string host, int port)
    {
        SocketTimes.Enable(_socket);
        _socket.Connect(host, port);
    }

    public List<double> Milliseconds { get; } = [];

    /// <summary>Takes the answer, if it is there, or asks again when it is time.</summary>
    /// <exception cref="InvalidOperationException">The server is not well.</exception>
    public void Sweep(SocketTimes times)
    {
        if (!_isWaiting)
        {
            if (_asked != 0 && Stopwatch.GetElapsedTime(_asked) < s_interval) return;
            _asked = Stopwatch.GetTimestamp();
            _socket.Send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n"u8);
            _isWaiting = true;
            return;
        }
        int read = times.Receive(_socket, _buffer, 0, out long at);
        if (read == SocketTimes.Nothing) return;
        // It has no body, and is too short to come in pieces.
        if (!_buffer.AsSpan(0, read).StartsWith("HTTP/1.1 200"u8)) throw new InvalidOperationException($"/health answered {System.Text.Encoding.ASCII.GetString(_buffer, 0, read)}");
        Milliseconds.Add(Stopwatch.GetElapsedTime(_asked, at).TotalMilliseconds);
        _isWaiting = false;
    }

    public void Dispose() => _socket.Dispose();
}
