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
        // Parts of a body are kept as they came, and would fail only where they are read.
        if (!System.Text.Unicode.Utf8.IsValid(body)) throw new MalformedBodyException("The request body is not valid JSON: it is not UTF-8.");
        try
        {
            T parsed = JsonSerializer.Deserialize(body, type) ?? throw new MalformedBodyException("The request body must be a JSON object, got null.");
            // Typed fields have been checked by name; this is for the parts that are kept as JSON.
            return HasHalfOfPair(body) ? throw new MalformedBodyException("The request body has half of a surrogate pair in a string; strings must be Unicode text.") : parsed;
        }
        catch (JsonException e)
        {
            throw new MalformedBodyException(Describe(e), e);
        }
    }

    /// <summary>Whether an escape \uD800 to \uDFFF stands alone. In JSON a backslash occurs in strings only.</summary>
    private static bool HasHalfOfPair(ReadOnlySpan<byte> body)
    {
        while (body.IndexOf((byte)'\\') is var at and >= 0)
        {
            body = body[at..];
            int unit = Unit(body);
            if (unit is >= 0xDC00 and <= 0xDFFF) return true;
            if (unit is >= 0xD800 and <= 0xDBFF)
            {
                if (Unit(body[6..]) is not (>= 0xDC00 and <= 0xDFFF)) return true;
                body = body[6..];
            }
            body = body[(unit >= 0 ? 6 : 2)..];
        }
        return false;

        // The UTF-16 unit of an escape that the text begins with, or -1.
        static int Unit(ReadOnlySpan<byte> text) =>
            text.Length >= 6 && text[0] == '\\' && text[1] == 'u' && System.Buffers.Text.Utf8Parser.TryParse(text[2..6], out ushort unit, out int used, 'x') && used == 4 ? unit : -1;
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
