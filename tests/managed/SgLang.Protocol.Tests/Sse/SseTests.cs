using System.Buffers;
using System.Text;
using System.Text.Json;
using SgLang.Protocol.Sse;

namespace SgLang.Protocol.Tests.Sse;

public class SseTests
{
    private static async Task<List<string>> Read(Stream stream)
    {
        var events = new List<string>();
        await foreach (string data in SseReader.ReadAsync(stream)) events.Add(data);
        return events;
    }

    private static MemoryStream Bytes(string text) => new(Encoding.UTF8.GetBytes(text));

    [Fact]
    public void Writer_frames_events_and_the_end()
    {
        var output = new ArrayBufferWriter<byte>();
        using var writer = new SseWriter(output);
        writer.Write(new AuthErrorBody("ü\n<"), ProtocolJsonContext.Default.AuthErrorBody);
        writer.Write(new AuthErrorBody("b"), ProtocolJsonContext.Default.AuthErrorBody);
        writer.WriteDone();
        Assert.Equal("data: {\"error\":\"ü\\n<\"}\n\ndata: {\"error\":\"b\"}\n\ndata: [DONE]\n\n", Encoding.UTF8.GetString(output.WrittenSpan));
    }

    [Fact]
    public async Task Reader_returns_what_the_writer_wrote()
    {
        var output = new ArrayBufferWriter<byte>();
        using var writer = new SseWriter(output);
        for (int i = 0; i < 129; i++) writer.Write(new AuthErrorBody(new string('é', i)), ProtocolJsonContext.Default.AuthErrorBody);
        writer.WriteDone();
        int count = 0;
        await foreach (AuthErrorBody item in SseReader.ReadAsync(new OneByteStream(output.WrittenSpan.ToArray()), ProtocolJsonContext.Default.AuthErrorBody))
            Assert.Equal(new string('é', count++), item.Error);
        Assert.Equal(129, count);
    }

    [Fact]
    public async Task Reader_stops_at_done_and_ignores_comments_and_other_fields()
    {
        Assert.Equal(["a", "b\nc"], await Read(Bytes(": hello\n\nevent: x\nid: 5\ndata: a\n\ndata:b\ndata: c\r\n\r\ndata: [DONE]\n\ndata: after\n\n")));
    }

    [Fact]
    public async Task Reader_stops_where_the_stream_ends()
    {
        Assert.Equal(["a"], await Read(Bytes("data: a\n\n")));
        Assert.Empty(await Read(Bytes("")));
    }

    [Fact]
    public async Task Reader_throws_for_data_of_another_type()
    {
        await Assert.ThrowsAnyAsync<JsonException>(async () =>
        {
            await foreach (AuthErrorBody item in SseReader.ReadAsync(Bytes("data: 5\n\n"), ProtocolJsonContext.Default.AuthErrorBody)) GC.KeepAlive(item);
        });
    }

    /// <summary>Delivers one byte a read, so that every boundary inside a character or a field is met.</summary>
    private sealed class OneByteStream(byte[] data) : MemoryStream(data)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => base.ReadAsync(buffer[..1], cancellationToken);
    }
}
