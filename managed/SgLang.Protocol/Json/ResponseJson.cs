using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace SgLang.Protocol.Json;

/// <summary>Writes bodies. Text goes out as UTF-8, not as \u escapes: nothing here is put into HTML.</summary>
public static class ResponseJson
{
    internal static readonly JavaScriptEncoder Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping;
    internal static readonly JsonWriterOptions WriterOptions = new() { Encoder = Encoder, SkipValidation = true };

    public static void Write<T>(IBufferWriter<byte> output, T value, JsonTypeInfo<T> type)
    {
        using var json = new Utf8JsonWriter(output, WriterOptions);
        JsonSerializer.Serialize(json, value, type);
    }

    public static string ToText<T>(T value, JsonTypeInfo<T> type)
    {
        var buffer = new ArrayBufferWriter<byte>();
        Write(buffer, value, type);
        return System.Text.Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
