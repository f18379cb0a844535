using System.Text.Json;
using SgLang.Core;

namespace SgLang.Protocol;

/// <summary>The fields that constrain an output, of which a request may have one.</summary>
internal static class GrammarFields
{
    private const string JsonObject = """{"type":"object"}""";

    /// <exception cref="InvalidRequestException">Several are set, or one is not of the form it must have.</exception>
    public static GrammarSpec? Of(JsonElement? jsonSchema, string? regex, string? ebnf, ResponseFormat? format = null)
    {
        GrammarSpec? schema = jsonSchema is { ValueKind: not JsonValueKind.Null } given ? SchemaOf(given, "json_schema") : null;
        GrammarSpec?[] all =
        [
            schema,
            regex is null ? null : new GrammarSpec(GrammarKind.Regex, regex),
            ebnf is null ? null : new GrammarSpec(GrammarKind.Ebnf, ebnf),
        ];
        GrammarSpec? formatted = OfFormat(format);
        int count = all.Count(spec => spec is not null);
        if (count > 1) throw new InvalidRequestException("Only one of regex, json_schema, or ebnf can be set.");
        if (count > 0 && formatted is not null) throw new InvalidRequestException("Only one of regex, json_schema, ebnf, or response_format can be set.");
        return formatted ?? Array.Find(all, spec => spec is not null);
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
            case var type:
                throw new InvalidRequestException(
                    $"response_format.type must be \"text\", \"json_object\" or \"json_schema\" on this server, got {(type is null ? "null" : $"\"{type}\"")}.");
        }
    }

    private static GrammarSpec SchemaOf(JsonElement schema, string field)
    {
        switch (schema.ValueKind)
        {
            case JsonValueKind.Object or JsonValueKind.True or JsonValueKind.False:
                return new GrammarSpec(GrammarKind.JsonSchema, schema.GetRawText());
            case JsonValueKind.String:
                try
                {
                    return new GrammarSpec(GrammarKind.JsonSchema, schema.GetString()!);
                }
                catch (InvalidOperationException e)
                {
                    throw new InvalidRequestException($"{field} must be Unicode text; it has half of a surrogate pair.", e);
                }
            default:
                throw new InvalidRequestException($"{field} must be a JSON schema: an object, or its text, got {schema.GetRawText()}.");
        }
    }
}
