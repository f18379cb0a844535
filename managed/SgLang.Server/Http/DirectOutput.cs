using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace SgLang.Server.Http;

/// <summary>
/// The output of a connection, sent by the thread that flushes it. A pipe would hand each flush to another thread, which for a stream of small events, each to be
/// sent at once, costs more than sending. Only what the socket does not take at once is left to be sent later, and until then the flush is not complete.
/// </summary>
/// <param name="socket">Does not block.</param>
/// <param name="pipe">What the transport reads: nothing but its end, which closes the connection.</param>
/// <param name="abort">Called once where the socket fails.</param>
/// <remarks>As with every pipe, one call at a time; <see cref="CancelPendingFlush"/> may come from anywhere.</remarks>
internal sealed class DirectOutput(Socket socket, PipeWriter pipe, Action abort) : PipeWriter
{
    private const int LeastBuffer = 4096;

    /// <summary>What is kept between flushes: an event fits, an answer of megabytes need not.</summary>
    private const int MostKept = 4 * LeastBuffer;

    private byte[] _buffer = [];
    private int _written;
    private volatile bool _hasFailed;
    private Task _sending = Task.CompletedTask; // what the socket did not take at once; does not fail
    private TaskCompletionSource? _cancel;

    public override bool CanGetUnflushedBytes => true;

    public override long UnflushedBytes => _written;

    /// <summary>Puts a <see cref="DirectOutput"/> into connections that come from a socket.</summary>
    public static ConnectionDelegate Use(ConnectionDelegate next) => async connection =>
    {
        if (connection.Features.Get<IConnectionSocketFeature>()?.Socket is not { } socket)
        {
            await next(connection);
            return;
        }
        socket.Blocking = false;
        IDuplexPipe transport = connection.Transport;
        var output = new DirectOutput(socket, transport.Output, connection.Abort);
        connection.Transport = new Duplex(transport.Input, output);
        try
        {
            await next(connection);
        }
        finally
        {
            connection.Transport = transport;
            await output.CompleteAsync();
        }
    };

    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _buffer.AsMemory(_written);
    }

    public override Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _buffer.AsSpan(_written);
    }

    public override void Advance(int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)bytes, (uint)(_buffer.Length - _written), nameof(bytes));
        _written += bytes;
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        int sent = 0;
        if (_sending.IsCompleted && (sent = Send()) == _written)
        {
            _written = 0;
            if (_buffer.Length > MostKept) Return(Take());
            return ValueTask.FromResult(new FlushResult(isCanceled: false, isCompleted: _hasFailed));
        }
        int end = _written;
        _sending = SendRestAsync(_sending, Take(), sent, end);
        return WaitAsync(_sending, cancellationToken);
    }

    public override void CancelPendingFlush() => Volatile.Read(ref _cancel)?.TrySetResult();

    public override void Complete(Exception? exception = null) => _ = CompleteAsync(exception).AsTask();

    /// <summary>Also sends what was not flushed, unless it ends by an error.</summary>
    public override async ValueTask CompleteAsync(Exception? exception = null)
    {
        if (exception is null) await FlushAsync();
        await _sending;
        await pipe.CompleteAsync(exception);
    }

    private void Reserve(int sizeHint)
    {
        int needed = _written + Math.Max(sizeHint, 1);
        if (needed <= _buffer.Length) return;
        byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Max(Math.Max(needed, 2 * _buffer.Length), LeastBuffer));
        _buffer.AsSpan(0, _written).CopyTo(larger);
        Return(_buffer);
        _buffer = larger;
    }

    /// <summary>Bytes that the socket takes now; all of them where it has failed.</summary>
    private int Send()
    {
        int sent = 0;
        try
        {
            while (sent < _written && !_hasFailed)
            {
                int taken = socket.Send(_buffer.AsSpan(sent, _written - sent), SocketFlags.None, out SocketError error);
                if (error is SocketError.WouldBlock) return sent;
                if (error is not SocketError.Success) Fail();
                sent += taken;
            }
        }
        catch (ObjectDisposedException)
        {
            Fail();
        }
        return _written;
    }

    private async Task SendRestAsync(Task previous, byte[] buffer, int start, int end)
    {
        await previous.ConfigureAwait(false);
        try
        {
            while (start < end && !_hasFailed) start += await socket.SendAsync(buffer.AsMemory(start, end - start)).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            Fail();
        }
        Return(buffer);
    }

    /// <summary>Until all is sent, or its sender has had enough; a later flush then waits for it too.</summary>
    private async ValueTask<FlushResult> WaitAsync(Task sending, CancellationToken cancellation)
    {
        var cancel = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Volatile.Write(ref _cancel, cancel);
        await Task.WhenAny(sending, cancel.Task).WaitAsync(cancellation).ConfigureAwait(false);
        Volatile.Write(ref _cancel, null);
        return new FlushResult(isCanceled: !sending.IsCompleted, isCompleted: _hasFailed);
    }

    private void Fail()
    {
        if (_hasFailed) return;
        _hasFailed = true;
        abort();
    }

    private byte[] Take()
    {
        byte[] buffer = _buffer;
        (_buffer, _written) = ([], 0);
        return buffer;
    }

    private static void Return(byte[] buffer)
    {
        if (buffer.Length > 0) ArrayPool<byte>.Shared.Return(buffer);
    }

    private sealed record Duplex(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}
