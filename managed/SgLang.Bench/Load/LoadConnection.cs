using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using SgLang.Bench.Http;

namespace SgLang.Bench.Load;

/// <summary>
/// One connection with a receive always pending, so that the end of an idle one is noticed. <see cref="Begin"/> is called by the sender's thread;
/// everything else happens in the socket's completions, one at a time. Whoever takes <see cref="_exchange"/> out ends the request.
/// </summary>
internal sealed class LoadConnection : IDisposable
{
    private const int ReceiveBytes = 16 * 1024;
    private const int LongestErrorBody = 2000;

    private readonly SocketLoadClient _client;
    private readonly Socket _socket;
    private readonly SocketAsyncEventArgs _receive = new(true);
    private readonly byte[] _buffer = new byte[ReceiveBytes];
    private readonly ResponseDecoder _decoder = new();
    private readonly LineSplitter _lines = new(1024);
    private readonly AnswerReader _answer;
    private readonly MemoryStream _body = new();
    private Exchange? _exchange;
    private bool _hasServed;
    private int _isClosed;

    public LoadConnection(SocketLoadClient client, Socket socket)
    {
        _client = client;
        _socket = socket;
        _answer = new AnswerReader(client.Options.Shape);
        _receive.SetBuffer(_buffer);
        _receive.Completed += (_, _) => Received();
    }

    /// <summary>Posts the first receive.</summary>
    public void Listen()
    {
        try
        {
            if (!_socket.ReceiveAsync(_receive)) Received();
        }
        catch (ObjectDisposedException)
        {
            Close("the connection was closed");
        }
    }

    /// <summary>Sends a request. State is set before the first byte leaves: the answer may be read before this returns.</summary>
    public void Begin(Exchange exchange)
    {
        _decoder.Reset();
        _lines.Clear();
        _body.SetLength(0);
        _answer.Begin(exchange.Record);
        Volatile.Write(ref _exchange, exchange);
        try
        {
            exchange.Record.Sent = Stopwatch.GetTimestamp();
            ReadOnlySpan<byte> rest = exchange.Request.Wire;
            while (!rest.IsEmpty) rest = rest[_socket.Send(rest)..];
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            Close($"{e.GetType().Name}: {e.Message}");
        }
    }

    /// <summary>Ends the connection, and the request on it as a failure, unless the server only closed an idle connection in the moment it was used.</summary>
    public void Close(string reason, bool mayRetry = true)
    {
        // Taken first: closing the socket completes its pending receive, which would name a reason of its own.
        Exchange? exchange = Interlocked.Exchange(ref _exchange, null);
        Dispose();
        if (exchange is null) return;
        if (mayRetry && _hasServed && !exchange.WasRetried && !_decoder.HasBegun)
        {
            exchange.WasRetried = true;
            _client.Retry(exchange);
            return;
        }
        exchange.Fail(reason);
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isClosed, 1) != 0) return;
        _client.Forget(this);
        _socket.Dispose();
    }

    private void Received()
    {
        try
        {
            while (Take() && !_socket.ReceiveAsync(_receive))
            {
            }
        }
        catch (ObjectDisposedException)
        {
            Close("the connection was closed");
        }
        catch (InvalidDataException e)
        {
            Close($"the answer is not HTTP/1.1: {e.Message}");
        }
    }

    /// <summary>False when the connection is over.</summary>
    private bool Take()
    {
        // The clock is read when bytes are there, before any of them is looked at.
        long at = Stopwatch.GetTimestamp();
        if (_receive.SocketError != SocketError.Success || _receive.BytesTransferred == 0)
        {
            if (_receive.SocketError == SocketError.Success && _decoder.EndsWithConnection && Volatile.Read(ref _exchange) is not null) Finish(at, canReuse: false);
            else Close(_receive.SocketError == SocketError.Success ? "the server closed the connection before the answer's end" : $"SocketException: {_receive.SocketError}");
            Dispose();
            return false;
        }
        if (Volatile.Read(ref _exchange) is null)
        {
            Dispose();
            return false;
        }
        ReadOnlySpan<byte> bytes = _buffer.AsSpan(0, _receive.BytesTransferred);
        while (!bytes.IsEmpty && !_decoder.IsDone)
        {
            int count = _decoder.Decode(bytes, out ReadOnlySpan<byte> body);
            bytes = bytes[count..];
            if (body.IsEmpty) continue;
            if (_decoder.Status == 200 && _client.Options.IsStreaming) ReadLines(body, at);
            else if (_body.Length < LongestErrorBody || _decoder.Status == 200) _body.Write(body);
        }
        if (_answer.IsDone && Volatile.Read(ref _exchange) is { Record.Error: not null })
        {
            Finish(at, canReuse: false);
            return false;
        }
        if (_decoder.IsDone) return Finish(at, canReuse: bytes.IsEmpty);
        return true;
    }

    private void ReadLines(ReadOnlySpan<byte> body, long at)
    {
        // Most pieces are whole lines, which need not be copied to be joined.
        while (_lines.IsEmpty && body.IndexOf((byte)'\n') is >= 0 and var end)
        {
            ReadOnlySpan<byte> line = body[..end];
            if (line.Length > 0 && line[^1] == '\r') line = line[..^1];
            if (!line.IsEmpty) _answer.ReadLine(line, at);
            body = body[(end + 1)..];
        }
        if (body.IsEmpty) return;
        _lines.Append(body);
        while (_lines.TryRead(out ReadOnlySpan<byte> line)) _answer.ReadLine(line, at);
    }

    /// <summary>Whether the connection goes on.</summary>
    private bool Finish(long at, bool canReuse)
    {
        if (Volatile.Read(ref _exchange) is not { } exchange) return false;
        RequestRecord record = exchange.Record;
        AnswerEnding.Settle(_client.Options, record, _answer, _decoder.Status, _decoder.Reason, _body, _lines.Rest(), at);
        bool isReused = canReuse && !_decoder.Closes && !_client.Options.FreshConnections;
        if (Interlocked.Exchange(ref _exchange, null) is null) return false;
        _hasServed = true;
        // The connection is offered before the request counts as done, so that whoever waits for it finds this one.
        if (isReused) _client.Keep(this);
        else Dispose();
        exchange.Complete();
        return isReused;
    }
}
