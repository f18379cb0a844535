using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using SgLang.Protocol.Json;

namespace SgLang.Protocol.Sse;

/// <summary>Writes events of one stream: <c>data: {json}</c>, a blank line, and at the end <c>data: [DONE]</c>. Not thread safe.</summary>
public sealed class SseWriter(IBufferWriter<byte> output) : IDisposable
{
    public const string ContentType = "text/event-stream";

    private readonly Utf8JsonWriter _json = new(output, ResponseJson.WriterOptions);

    public void Write<T>(T value, JsonTypeInfo<T> type)
    {
        output.Write("data: "u8);
        _json.Reset();
        JsonSerializer.Serialize(_json, value, type);
        _json.Flush();
        output.Write("\n\n"u8);
    }

    /// <summary>An event with a name: an <c>event:</c> line before the data.</summary>
    /// <param name="name">Without line breaks.</param>
    public void Write<T>(string name, T value, JsonTypeInfo<T> type)
    {
        output.Write("event: "u8);
        output.Write(System.Text.Encoding.UTF8.GetBytes(name));
        output.Write("\n"u8);
        Write(value, type);
    }

    /// <summary>An event that was prepared; its open fields follow in their order.</summary>
    public EventTemplate.Filler Begin(EventTemplate template) => template.Begin(output);

    public void WriteDone() => output.Write("data: [DONE]\n\n"u8);

    public void Dispose() => _json.Dispose();
}
