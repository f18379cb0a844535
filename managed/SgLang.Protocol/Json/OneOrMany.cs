using System.Text.Json;
using System.Text.Json.Serialization;

namespace SgLang.Protocol.Json;

/// <summary>A field that takes one value or a list of them.</summary>
public sealed record OneOrMany<T>(IReadOnlyList<T> Items, bool IsMany)
{
    public static implicit operator OneOrMany<T>(T item) => new([item], false);

    public static implicit operator OneOrMany<T>(T[] items) => new(items, true);

    /// <summary>The value for item <paramref name="index"/> of a batch: its own in a list, else the one for all.</summary>
    public T For(int index) => IsMany ? Items[index] : Items[0];
}

internal abstract class OneOrManyConverter<T> : JsonConverter<OneOrMany<T>>
{
    public override OneOrMany<T> Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType != JsonTokenType.StartArray) return new([ReadItem(ref reader, "")], false);
        var items = new List<T>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray) items.Add(ReadItem(ref reader, $"[{items.Count}]"));
        return new(items, true);
    }

    public override void Write(Utf8JsonWriter writer, OneOrMany<T> value, JsonSerializerOptions options)
    {
        if (value.IsMany) writer.WriteStartArray();
        foreach (T item in value.Items) WriteItem(writer, item);
        if (value.IsMany) writer.WriteEndArray();
    }

    protected abstract T ReadItem(ref Utf8JsonReader reader, string path);

    protected abstract void WriteItem(Utf8JsonWriter writer, T item);
}

internal sealed class OneOrManyStringConverter : OneOrManyConverter<string>
{
    protected override string ReadItem(ref Utf8JsonReader reader, string path) => reader.TokenType == JsonTokenType.String
        ? StrictStringConverter.ReadValue(ref reader, path)
        : throw FieldTypeException.Expected(path.Length == 0 ? "a string or a list of strings" : "a string", ref reader, path);

    protected override void WriteItem(Utf8JsonWriter writer, string item) => writer.WriteStringValue(item);
}

internal sealed class OneOrManyInt32Converter : OneOrManyConverter<int>
{
    protected override int ReadItem(ref Utf8JsonReader reader, string path) => StrictInt32Converter.ReadValue(ref reader, path);

    protected override void WriteItem(Utf8JsonWriter writer, int item) => writer.WriteNumberValue(item);
}

internal sealed class OneOrManyBooleanConverter : OneOrManyConverter<bool>
{
    protected override bool ReadItem(ref Utf8JsonReader reader, string path) => StrictBooleanConverter.ReadValue(ref reader, path);

    protected override void WriteItem(Utf8JsonWriter writer, bool item) => writer.WriteBooleanValue(item);
}

internal sealed class OneOrManySamplingConverter : OneOrManyConverter<SamplingParamsBody>
{
    protected override SamplingParamsBody ReadItem(ref Utf8JsonReader reader, string path)
    {
        if (reader.TokenType != JsonTokenType.StartObject) throw FieldTypeException.Expected("an object", ref reader, path);
        try
        {
            return JsonSerializer.Deserialize(ref reader, ProtocolJsonContext.Default.SamplingParamsBody)!;
        }
        catch (FieldTypeException e)
        {
            throw new FieldTypeException(e.Message, path + e.Path?[1..] + e.RelativePath);
        }
        catch (JsonException e) when (e.InnerException is not JsonException)
        {
            throw new FieldTypeException("has a value of the wrong type.", path + e.Path?[1..]);
        }
    }

    protected override void WriteItem(Utf8JsonWriter writer, SamplingParamsBody item) =>
        JsonSerializer.Serialize(writer, item, ProtocolJsonContext.Default.SamplingParamsBody);
}

/// <summary>[int] is one prompt, [[int]] several.</summary>
internal sealed class TokenIdsConverter : JsonConverter<OneOrMany<int[]>>
{
    public override OneOrMany<int[]> Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType != JsonTokenType.StartArray) throw FieldTypeException.Expected("a list of token ids or a list of such lists", ref reader);
        return ReadLists(ref reader);
    }

    public override void Write(Utf8JsonWriter writer, OneOrMany<int[]> value, JsonSerializerOptions options)
    {
        if (value.IsMany) writer.WriteStartArray();
        foreach (int[] ids in value.Items) WriteIds(writer, ids);
        if (value.IsMany) writer.WriteEndArray();
    }

    internal static void WriteIds(Utf8JsonWriter writer, ReadOnlySpan<int> ids)
    {
        writer.WriteStartArray();
        foreach (int id in ids) writer.WriteNumberValue(id);
        writer.WriteEndArray();
    }

    /// <summary>The reader stands on the opening bracket.</summary>
    internal static OneOrMany<int[]> ReadLists(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartArray) return new([ReadRest(ref reader, "")], false);
        var lists = new List<int[]>();
        for (; reader.TokenType != JsonTokenType.EndArray; reader.Read())
        {
            string path = $"[{lists.Count}]";
            if (reader.TokenType != JsonTokenType.StartArray) throw FieldTypeException.Expected("a list of token ids", ref reader, path);
            reader.Read();
            lists.Add(ReadRest(ref reader, path));
        }
        return new(lists, true);
    }

    private static int[] ReadRest(ref Utf8JsonReader reader, string path)
    {
        var ids = new List<int>();
        for (; reader.TokenType != JsonTokenType.EndArray; reader.Read())
            ids.Add(StrictInt32Converter.ReadValue(ref reader, reader.TokenType == JsonTokenType.Number ? path : $"{path}[{ids.Count}]"));
        return [.. ids];
    }
}
