using System.Text.Json;
using System.Text.Json.Serialization;

namespace SgLang.Protocol.Json;

/// <summary>What a generation stopped at: a token id or a stop string.</summary>
[JsonConverter(typeof(IdOrTextConverter))]
public readonly record struct IdOrText(int? Id, string? Text)
{
    public static implicit operator IdOrText(int id) => new(id, null);

    public static implicit operator IdOrText(string text) => new(null, text);

    public override string ToString() => Text ?? Id?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "";
}

internal sealed class IdOrTextConverter : JsonConverter<IdOrText>
{
    public override IdOrText Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.TokenType switch
    {
        JsonTokenType.String => StrictStringConverter.ReadValue(ref reader),
        JsonTokenType.Number => StrictInt32Converter.ReadValue(ref reader),
        _ => throw FieldTypeException.Expected("a token id or a string", ref reader),
    };

    public override void Write(Utf8JsonWriter writer, IdOrText value, JsonSerializerOptions options)
    {
        if (value.Text is not null) writer.WriteStringValue(value.Text);
        else writer.WriteNumberValue(value.Id ?? -1);
    }
}
