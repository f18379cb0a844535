using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace SgLang.Bench.Reports;

/// <summary>One JSON object a line, appended. Strict JSON in the spelling of Python's json.dumps: ", " and ": ", non-ASCII escaped.</summary>
public static class ResultFile
{
    /// <summary>Does nothing for an empty path.</summary>
    /// <exception cref="BenchException">The file cannot be written.</exception>
    public static void Append(string path, JsonObject result)
    {
        if (path.Length == 0) return;
        try
        {
            File.AppendAllText(path, ToLine(result) + "\n");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BenchException($"cannot write the result file '{path}': {e.Message}");
        }
    }

    /// <summary>A file that cannot be written is said before anything is measured. Does nothing for an empty path.</summary>
    /// <param name="flag">What names the file.</param>
    /// <exception cref="BenchUsageException">It cannot be written.</exception>
    public static void CheckWritable(string flag, string path)
    {
        if (path.Length == 0) return;
        bool isThere = File.Exists(path);
        try
        {
            using (new FileStream(path, FileMode.Append))
            {
            }
            if (!isThere) File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BenchUsageException($"{flag}: cannot write '{path}': {e.Message}");
        }
    }

    /// <summary>Likewise of a directory for several files, which is made.</summary>
    /// <exception cref="BenchUsageException">It cannot be written into.</exception>
    public static void CheckDirectory(string flag, string directory)
    {
        try
        {
            Directory.CreateDirectory(directory);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BenchUsageException($"{flag}: cannot make '{directory}': {e.Message}");
        }
        CheckWritable(flag, Path.Combine(directory, $".sglang-{Guid.NewGuid():N}"));
    }

    public static string ToLine(JsonNode? node)
    {
        var text = new StringBuilder();
        Write(text, node);
        return text.ToString();
    }

    /// <summary>Null for what is not a finite number, which JSON cannot write.</summary>
    public static JsonNode? Number(double? value) => value is { } number && double.IsFinite(number) ? JsonValue.Create(number) : null;

    private static void Write(StringBuilder text, JsonNode? node)
    {
        switch (node)
        {
            case null:
                text.Append("null");
                break;
            case JsonObject map:
                text.Append('{');
                foreach ((string key, JsonNode? value) in map)
                {
                    if (text[^1] != '{') text.Append(", ");
                    WriteString(text, key);
                    text.Append(": ");
                    Write(text, value);
                }
                text.Append('}');
                break;
            case JsonArray list:
                text.Append('[');
                for (int i = 0; i < list.Count; i++)
                {
                    if (i > 0) text.Append(", ");
                    Write(text, list[i]);
                }
                text.Append(']');
                break;
            default:
                if (node.GetValueKind() == JsonValueKind.String) WriteString(text, node.GetValue<string>());
                else if (node.AsValue().TryGetValue(out double number) && !node.AsValue().TryGetValue(out int _) && !node.AsValue().TryGetValue(out long _)) WriteNumber(text, number);
                else text.Append(node.ToJsonString());
                break;
        }
    }

    private static void WriteNumber(StringBuilder text, double number)
    {
        string digits = number.ToString("R", CultureInfo.InvariantCulture);
        text.Append(digits);
        if (digits.AsSpan().IndexOfAny('.', 'E') < 0) text.Append(".0");
    }

    private static void WriteString(StringBuilder text, string value)
    {
        text.Append('"');
        foreach (char c in value)
        {
            switch (c)
            {
                case '"': text.Append("\\\""); break;
                case '\\': text.Append("\\\\"); break;
                case '\n': text.Append("\\n"); break;
                case '\r': text.Append("\\r"); break;
                case '\t': text.Append("\\t"); break;
                case < ' ' or > '~': text.Append("\\u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture)); break;
                default: text.Append(c); break;
            }
        }
        text.Append('"');
    }
}
