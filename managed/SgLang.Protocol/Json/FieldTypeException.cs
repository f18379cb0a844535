using System.Text.Json;

namespace SgLang.Protocol.Json;

/// <summary>
/// A field of the wrong type. The serializer fills in <see cref="JsonException.Path"/>; the message completes a sentence that begins
/// with the field's name: "must be a number, got a string."
/// </summary>
/// <param name="relativePath">What follows the serializer's path, when the converter has read deeper on its own.</param>
internal sealed class FieldTypeException(string message, string relativePath = "") : JsonException(message)
{
    public string RelativePath { get; } = relativePath;

    public static FieldTypeException Expected(string expected, ref Utf8JsonReader reader, string relativePath = "") =>
        new($"must be {expected}, got {Describe(ref reader)}.", relativePath);

    private static string Describe(ref Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.StartObject => "an object",
        JsonTokenType.StartArray => "a list",
        JsonTokenType.String => "a string",
        JsonTokenType.Number => System.Text.Encoding.UTF8.GetString(reader.ValueSpan),
        JsonTokenType.True => "true",
        JsonTokenType.False => "false",
        _ => "null",
    };
}
