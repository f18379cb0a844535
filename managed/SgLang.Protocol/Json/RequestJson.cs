using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace SgLang.Protocol.Json;

/// <summary>Reads request bodies; what is wrong with one is said in terms of its fields.</summary>
public static class RequestJson
{
    /// <exception cref="MalformedBodyException">Not JSON, or a field of the wrong type, which the message names.</exception>
    public static T Parse<T>(ReadOnlySpan<byte> body, JsonTypeInfo<T> type) where T : class
    {
        if (body.IsEmpty) throw new MalformedBodyException("The request body is empty; a JSON object is expected.");
        try
        {
            return JsonSerializer.Deserialize(body, type) ?? throw new MalformedBodyException("The request body must be a JSON object, got null.");
        }
        catch (JsonException e)
        {
            throw new MalformedBodyException(Describe(e), e);
        }
    }

    private static string Describe(JsonException e)
    {
        // A syntax error arrives wrapped: the inner exception is the reader's.
        if (e.InnerException is JsonException syntax) return $"The request body is not valid JSON: {WithoutPosition(syntax.Message)} (line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}).";
        string field = FieldName(e.Path) + (e as FieldTypeException)?.RelativePath;
        if (field.Length == 0) return "The request body must be a JSON object.";
        return e is FieldTypeException ? $"{field} {e.Message}" : $"{field} has a value of the wrong type.";
    }

    /// <summary>"$.stream_options.include_usage" to "stream_options.include_usage".</summary>
    private static string FieldName(string? path) => path is null or "$" ? "" : path.StartsWith("$.", StringComparison.Ordinal) ? path[2..] : path[1..];

    private static string WithoutPosition(string message)
    {
        int end = message.IndexOf(" LineNumber:", StringComparison.Ordinal);
        return (end < 0 ? message : message[..end]).TrimEnd('.', ' ');
    }
}
