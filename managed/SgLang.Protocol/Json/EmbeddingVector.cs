using System.Buffers.Binary;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace SgLang.Protocol.Json;

/// <summary>A vector as a list of numbers, or as the base64 of its little-endian float32 values.</summary>
[JsonConverter(typeof(EmbeddingVectorConverter))]
public sealed record EmbeddingVector(float[] Values, bool IsBase64 = false);

internal sealed class EmbeddingVectorConverter : JsonConverter<EmbeddingVector>
{
    public override EmbeddingVector Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.String) return new(FromBytes(reader.GetBytesFromBase64()), true);
        if (reader.TokenType != JsonTokenType.StartArray) throw FieldTypeException.Expected("a list of numbers or base64 text", ref reader);
        var values = new List<float>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray) values.Add(reader.GetSingle());
        return new([.. values]);
    }

    public override void Write(Utf8JsonWriter writer, EmbeddingVector value, JsonSerializerOptions options)
    {
        if (value.IsBase64)
        {
            writer.WriteBase64StringValue(ToBytes(value.Values));
            return;
        }
        writer.WriteStartArray();
        foreach (float number in value.Values) writer.WriteNumberValue(number);
        writer.WriteEndArray();
    }

    private static byte[] ToBytes(float[] values)
    {
        var bytes = new byte[values.Length * sizeof(float)];
        for (int i = 0; i < values.Length; i++) BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(i * sizeof(float)), values[i]);
        return bytes;
    }

    private static float[] FromBytes(byte[] bytes)
    {
        var values = new float[bytes.Length / sizeof(float)];
        for (int i = 0; i < values.Length; i++) values[i] = BinaryPrimitives.ReadSingleLittleEndian(bytes.AsSpan(i * sizeof(float)));
        return values;
    }
}
