using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using SgLang.Server.Http;

namespace SgLang.Server.Tests.Http;

public sealed class DirectOutputTests : IDisposable
{
    private readonly Socket _reader = new(SocketType.Stream, ProtocolType.Tcp);
    private readonly Socket _writer;
    private readonly Pipe _pipe = new();
    private readonly DirectOutput _output;
    private int _aborts;

    public DirectOutputTests()
    {
        using var listener = new Socket(SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        _reader.ReceiveBufferSize = 4096;
        _reader.Connect(listener.LocalEndPoint!);
        _writer = listener.Accept();
        _writer.SendBufferSize = 4096;
        _writer.Blocking = false;
        _output = new DirectOutput(_writer, _pipe.Writer, () => _aborts++);
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _reader.Dispose();
        _writer.Dispose();
    }

    private async Task<byte[]> ReadAsync(int count)
    {
        byte[] bytes = new byte[count];
        for (int read = 0; read < count;) read += await _reader.ReceiveAsync(bytes.AsMemory(read), Cancellation);
        return bytes;
    }

    private static byte[] Bytes(int seed, int count)
    {
        byte[] bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    [Fact]
    public async Task What_the_socket_takes_is_sent_when_the_flush_returns()
    {
        _output.Write("abc"u8);
        _output.Write("de"u8);
        Assert.Equal(5, _output.UnflushedBytes);
        ValueTask<FlushResult> flush = _output.FlushAsync(Cancellation);
        Assert.True(flush.IsCompletedSuccessfully);
        Assert.False((await flush).IsCompleted);
        Assert.Equal(5, _reader.Available);
        Assert.Equal("abcde"u8.ToArray(), await ReadAsync(5));
        Assert.Equal(0, _output.UnflushedBytes);
    }

    [Fact]
    public async Task A_flush_waits_for_a_slow_reader_and_nothing_is_lost_or_reordered()
    {
        int seed = Random.Shared.Next();
        byte[] first = Bytes(seed, 8 << 20), second = Bytes(seed + 1, 1000);
        _output.Write(first);
        ValueTask<FlushResult> flush = _output.FlushAsync(Cancellation);
        Assert.False(flush.IsCompleted);
        Task<byte[]> reading = ReadAsync(first.Length + second.Length);
        Assert.False((await flush).IsCanceled);
        _output.Write(second);
        await _output.FlushAsync(Cancellation);
        byte[] all = await reading;
        Assert.True(all.AsSpan().SequenceEqual([.. first, .. second]), $"seed {seed}");
    }

    [Fact]
    public async Task A_flush_that_was_given_up_goes_on_and_a_later_one_comes_after_it()
    {
        int seed = Random.Shared.Next();
        byte[] first = Bytes(seed, 8 << 20), second = Bytes(seed + 1, 70_000);
        _output.Write(first);
        Task<FlushResult> flush = _output.FlushAsync(Cancellation).AsTask();
        _output.CancelPendingFlush();
        Assert.True((await flush).IsCanceled);
        using var stop = new CancellationTokenSource();
        _output.Write(second.AsSpan(0, 50_000));
        Task<FlushResult> cancelled = _output.FlushAsync(stop.Token).AsTask();
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        _output.Write(second.AsSpan(50_000));
        Task completed = _output.CompleteAsync().AsTask();
        byte[] all = await ReadAsync(first.Length + second.Length);
        Assert.True(all.AsSpan().SequenceEqual([.. first, .. second]), $"seed {seed}");
        await completed;
        Assert.True((await _pipe.Reader.ReadAsync(Cancellation)).IsCompleted);
    }

    [Fact]
    public async Task A_reader_that_leaves_completes_the_output_and_aborts_the_connection_once()
    {
        _output.Write(Bytes(1, 8 << 20));
        Task<FlushResult> flush = _output.FlushAsync(Cancellation).AsTask();
        _reader.Close(0);
        Assert.True((await flush).IsCompleted);
        _output.Write("x"u8);
        Assert.True((await _output.FlushAsync(Cancellation)).IsCompleted);
        Assert.Equal(1, _aborts);
        await _output.CompleteAsync();
        await _output.CompleteAsync();
    }

    [Fact]
    public void More_cannot_be_written_than_there_is_room_for()
    {
        int room = _output.GetMemory(10).Length;
        Assert.Throws<ArgumentOutOfRangeException>(() => _output.Advance(room + 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => _output.Advance(-1));
        _output.Advance(room);
        Assert.Equal(room, _output.UnflushedBytes);
    }
}
