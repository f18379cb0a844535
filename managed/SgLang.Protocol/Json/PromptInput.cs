using System.Text.Json;
using System.Text.Json.Serialization;

namespace SgLang.Protocol.Json;

/// <summary>The prompt of /v1/completions: a text, texts, token ids, or lists of token ids. Exactly one of the two is set.</summary>
[JsonConverter(typeof(PromptInputConverter))]
public sealed record PromptInput(OneOrMany<string>? Text, OneOrMany<int[]>? Ids)
{
    public static implicit operator PromptInput(string text) => new(text, null);

    public static implicit operator PromptInput(int[] ids) => new(null, new OneOrMany<int[]>([ids], false));
}

internal sealed class PromptInputConverter : JsonConverter<PromptInput>
{
    public override PromptInput Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.String) return new(StrictStringConverter.ReadValue(ref reader), null);
        if (reader.TokenType != JsonTokenType.StartArray)
            throw FieldTypeException.Expected("a string, a list of strings, a list of token ids or a list of such lists", ref reader);
        Utf8JsonReader ahead = reader;
        ahead.Read();
        if (ahead.TokenType is JsonTokenType.Number or JsonTokenType.StartArray) return new(null, TokenIdsConverter.ReadLists(ref reader));
        var texts = new List<string>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray) texts.Add(StrictStringConverter.ReadValue(ref reader, $"[{texts.Count}]"));
        return new(new OneOrMany<string>(texts, true), null);
    }

    public override void Write(Utf8JsonWriter writer, PromptInput value, JsonSerializerOptions options)
    {
        if (value.Text is { } text)
        {
            if (!text.IsMany)
            {
                writer.WriteStringValue(text.Items[0]);
                return;
            }
            writer.WriteStartArray();
            foreach (string item in text.Items) writer.WriteStringValue(item);
            writer.WriteEndArray();
        }
        else if (value.Ids is { } ids)
        {
            if (ids.IsMany) writer.WriteStartArray();
            foreach (int[] item in ids.Items) TokenIdsConverter.WriteIds(writer, item);
            if (ids.IsMany) writer.WriteEndArray();
        }
        else
        {
            writer.WriteNullValue();
        }
    }
}
