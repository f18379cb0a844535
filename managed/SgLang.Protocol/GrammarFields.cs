using System.Text.Json;
using SgLang.Core;

namespace SgLang.Protocol;

/// <summary>The fields that constrain an output, of which a request may have one.</summary>
internal static class GrammarFields
{
    private const string JsonObject = """{"type":"object"}""";

    /// <exception cref="InvalidRequestException">Several are set, or one is not of the form it must have.</exception>
    public static GrammarSpec? Of(JsonElement? jsonSchema, string? regex, string? ebnf, ResponseFormat? format = null, JsonElement? structuralTag = null)
    {
        GrammarSpec? schema = jsonSchema is { ValueKind: not JsonValueKind.Null } given ? SchemaOf(given, "json_schema") : null;
        GrammarSpec?[] all =
        [
            schema,
            regex is null ? null : new GrammarSpec(GrammarKind.Regex, regex),
            ebnf is null ? null : new GrammarSpec(GrammarKind.Ebnf, ebnf),
            structuralTag is { ValueKind: not JsonValueKind.Null } tag ? new GrammarSpec(GrammarKind.StructuralTag, TextOf(tag, "structural_tag", "a structural tag: an object")) : null,
        ];
        GrammarSpec? formatted = OfFormat(format);
        int count = all.Count(spec => spec is not null);
        if (count > 1 && all[3] is not null) throw new InvalidRequestException("Only one of regex, json_schema, ebnf, or structural_tag can be set.");
        if (count > 1) throw new InvalidRequestException("Only one of regex, json_schema, or ebnf can be set.");
        if (count > 0 && formatted is not null) throw new InvalidRequestException("Only one of regex, json_schema, ebnf, or response_format can be set.");
        return formatted ?? Array.Find(all, spec => spec is not null);
    }

    /// <summary>A regular expression for one of several texts; null for none given.</summary>
    /// <exception cref="InvalidRequestException">The list is empty.</exception>
    public static string? OneOf(string[]? choices)
    {
        if (choices is null) return null;
        if (choices.Length == 0) throw new InvalidRequestException("A choice must have at least one text.");
        return string.Join('|', choices.Select(Escape));

        static string Escape(string text) => string.Concat(text.Select(c => c is < (char)128 && !char.IsAsciiLetterOrDigit(c) && c > ' ' ? $"\\{c}" : $"{c}"));
    }

    private static GrammarSpec? OfFormat(ResponseFormat? format)
    {
        switch (format?.Type)
        {
            case null when format is null:
                return null;
            case "text":
                return null;
            case "json_object":
                return new GrammarSpec(GrammarKind.JsonSchema, JsonObject);
            case "json_schema":
                return format.JsonSchema?.Schema is { ValueKind: not JsonValueKind.Null } schema
                    ? SchemaOf(schema, "response_format.json_schema.schema")
                    : throw new InvalidRequestException("response_format.json_schema.schema is required for response_format of type \"json_schema\".");
            case "structural_tag":
                return new GrammarSpec(GrammarKind.StructuralTag, format.TagText());
            case var type:
                throw new InvalidRequestException(
                    $"response_format.type must be \"text\", \"json_object\", \"json_schema\" or \"structural_tag\" on this server, got {(type is null ? "null" : $"\"{type}\"")}.");
        }
    }

    private static GrammarSpec SchemaOf(JsonElement schema, string field) => new(GrammarKind.JsonSchema, schema.ValueKind is JsonValueKind.True or JsonValueKind.False
        ? schema.GetRawText()
        : TextOf(schema, field, "a JSON schema: an object"));

    /// <summary>JSON text, given as such or as JSON.</summary>
    private static string TextOf(JsonElement value, string field, string expected)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                return value.GetRawText();
            case JsonValueKind.String:
                try
                {
                    return value.GetString()!;
                }
                catch (InvalidOperationException e)
                {
                    throw new InvalidRequestException($"{field} must be Unicode text; it has half of a surrogate pair.", e);
                }
            default:
                throw new InvalidRequestException($"{field} must be {expected}, or its text, got {value.GetRawText()}.");
        }
    }
}
