using System.Text.Json;

namespace SgLang.Tokenization.Loading;

/// <summary>Reading of JSON members with messages that say where and what.</summary>
internal static class JsonReading
{
    public static JsonElement? Member(this JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    public static JsonElement Required(this JsonElement element, string name, string path) =>
        element.Member(name) ?? throw new TokenizerException($"{path}.{name} is missing");

    public static string Text(this JsonElement element, string name, string path, string? fallback = null) => element.Member(name) switch
    {
        { ValueKind: JsonValueKind.String } value => value.GetString()!,
        null => fallback ?? throw new TokenizerException($"{path}.{name} is missing"),
        { } other => throw new TokenizerException($"{path}.{name} is {Kind(other)}; a string is expected"),
    };

    public static bool Flag(this JsonElement element, string name, string path, bool fallback) => element.Member(name) switch
    {
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        null => fallback,
        { } other => throw new TokenizerException($"{path}.{name} is {Kind(other)}; true or false is expected"),
    };

    public static int Integer(this JsonElement element, string name, string path) => Integer(element.Required(name, path), $"{path}.{name}");

    /// <summary>A token id or count: not negative.</summary>
    public static int Integer(JsonElement value, string path) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number >= 0
            ? number
            : throw new TokenizerException($"{path} is {Kind(value)}; an integer from 0 to {int.MaxValue} is expected");

    /// <summary>The elements of an array; none when it is absent.</summary>
    public static IEnumerable<JsonElement> Items(this JsonElement element, string name, string path) => element.Member(name) switch
    {
        { ValueKind: JsonValueKind.Array } value => value.EnumerateArray(),
        null => [],
        { } other => throw new TokenizerException($"{path}.{name} is {Kind(other)}; an array is expected"),
    };

    public static string Kind(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        JsonValueKind.String => "a string",
        JsonValueKind.Null => "null",
        _ => value.GetRawText(),
    };
}
