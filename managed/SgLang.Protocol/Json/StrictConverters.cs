using System.Text.Json;
using System.Text.Json.Serialization;

namespace SgLang.Protocol.Json;

/// <summary>An integer; 3.0 counts, 3.5 and "3" do not.</summary>
internal sealed class StrictInt32Converter : JsonConverter<int>
{
    public override int Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => ReadValue(ref reader);

    public override void Write(Utf8JsonWriter writer, int value, JsonSerializerOptions options) => writer.WriteNumberValue(value);

    public static int ReadValue(ref Utf8JsonReader reader, string relativePath = "")
    {
        long value = StrictInt64Converter.ReadValue(ref reader, relativePath);
        return value is >= int.MinValue and <= int.MaxValue
            ? (int)value
            : throw FieldTypeException.Expected($"an integer in [{int.MinValue}, {int.MaxValue}]", ref reader, relativePath);
    }
}

internal sealed class StrictInt64Converter : JsonConverter<long>
{
    public override long Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => ReadValue(ref reader);

    public override void Write(Utf8JsonWriter writer, long value, JsonSerializerOptions options) => writer.WriteNumberValue(value);

    public static long ReadValue(ref Utf8JsonReader reader, string relativePath = "")
    {
        if (reader.TokenType == JsonTokenType.Number)
        {
            if (reader.TryGetInt64(out long value)) return value;
            // Beyond 2^53 a double no longer names one integer.
            if (reader.TryGetDouble(out double real) && real == Math.Floor(real) && Math.Abs(real) <= 1L << 53) return (long)real;
        }
        throw FieldTypeException.Expected("an integer", ref reader, relativePath);
    }
}

internal sealed class StrictDoubleConverter : JsonConverter<double>
{
    public override double Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.Number && reader.TryGetDouble(out double value)
            ? value
            : throw FieldTypeException.Expected("a number", ref reader);

    /// <summary>JSON has no infinity and no NaN; they are written as null.</summary>
    public override void Write(Utf8JsonWriter writer, double value, JsonSerializerOptions options)
    {
        if (double.IsFinite(value)) writer.WriteNumberValue(value);
        else writer.WriteNullValue();
    }
}

internal sealed class StrictSingleConverter : JsonConverter<float>
{
    public override float Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.Number && reader.TryGetSingle(out float value)
            ? value
            : throw FieldTypeException.Expected("a number", ref reader);

    public override void Write(Utf8JsonWriter writer, float value, JsonSerializerOptions options)
    {
        if (float.IsFinite(value)) writer.WriteNumberValue(value);
        else writer.WriteNullValue();
    }
}

internal sealed class StrictBooleanConverter : JsonConverter<bool>
{
    public override bool Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => ReadValue(ref reader);

    public override void Write(Utf8JsonWriter writer, bool value, JsonSerializerOptions options) => writer.WriteBooleanValue(value);

    public static bool ReadValue(ref Utf8JsonReader reader, string relativePath = "") => reader.TokenType switch
    {
        JsonTokenType.True => true,
        JsonTokenType.False => false,
        _ => throw FieldTypeException.Expected("true or false", ref reader, relativePath),
    };
}

internal sealed class StrictStringConverter : JsonConverter<string>
{
    public override string Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => ReadValue(ref reader);

    public override void Write(Utf8JsonWriter writer, string value, JsonSerializerOptions options) => writer.WriteStringValue(value);

    public override string ReadAsPropertyName(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.GetString()!;

    public override void WriteAsPropertyName(Utf8JsonWriter writer, string value, JsonSerializerOptions options) => writer.WritePropertyName(value);

    public static string ReadValue(ref Utf8JsonReader reader, string relativePath = "")
    {
        if (reader.TokenType != JsonTokenType.String) throw FieldTypeException.Expected("a string", ref reader, relativePath);
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw new FieldTypeException("must be Unicode text; it has half of a surrogate pair or bytes that are not UTF-8.", relativePath);
        }
    }
}
