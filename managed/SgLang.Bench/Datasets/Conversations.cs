using System.Text;
using System.Text.Json;
using SgLang.Bench.Statistics;

namespace SgLang.Bench.Datasets;

/// <summary>A question and its answer.</summary>
/// <param name="Timestamp">Seconds; null where the file has no times.</param>
public readonly record struct Exchange(string Question, string Answer, double? Timestamp = null);

/// <summary>First exchanges of conversations: from a ShareGPT file, from custom JSON lines, or built in.</summary>
public static class Conversations
{
    /// <summary>
    /// The built-in set's lengths are log-normal. The means are those published for ShareGPT (161 prompt and 338 answer tokens: Kwon et al. 2023,
    /// PagedAttention, figure 11); the spread is our assumption. Words stand for tokens at the usual 3 to 4.
    /// </summary>
    public const double MeanQuestionTokens = 161.31;
    public const double MeanAnswerTokens = 337.99;
    public const double LogStandardDeviation = 1.0;
    private const double WordsPerToken = 0.75;
    private const int BuiltInCount = 2000;
    private const uint BuiltInSeed = 20230912;

    private static readonly string[] s_openings =
    [
        "Please summarize the following passage:", "What is the main argument of this text?", "Rewrite this in plain English:", "Explain the meaning of these words:",
        "Who is speaking here, and to whom?", "List the most important points of the following:", "Continue in the same style:", "Translate this into modern language:",
    ];

    public static string BuiltInSource => FormattableString.Invariant(
        $"built in: public-domain passages cut to log-normal lengths, mean {MeanQuestionTokens} and {MeanAnswerTokens} tokens, sigma {LogStandardDeviation} (of words, at {WordsPerToken} words a token)");

    /// <summary>The same conversations on every machine.</summary>
    public static List<Exchange> BuiltIn()
    {
        using Stream stream = typeof(Conversations).Assembly.GetManifestResourceStream("passages.txt")!;
        using StreamReader reader = new(stream);
        string[] words = reader.ReadToEnd().Split((char[])[' ', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries);
        var random = new PythonRandom(BuiltInSeed);
        List<Exchange> exchanges = new(BuiltInCount);
        for (int i = 0; i < BuiltInCount; i++)
        {
            string opening = s_openings[random.Below(s_openings.Length)];
            exchanges.Add(new Exchange($"{opening} {Passage(MeanQuestionTokens)}", Passage(MeanAnswerTokens)));
        }
        return exchanges;

        string Passage(double meanTokens)
        {
            double mu = Math.Log(meanTokens * WordsPerToken) - (LogStandardDeviation * LogStandardDeviation / 2);
            double normal = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
            int count = Math.Max(2, (int)Math.Exp(mu + (LogStandardDeviation * normal)));
            int start = random.Below(words.Length);
            var text = new StringBuilder();
            for (int w = 0; w < count; w++) text.Append(w == 0 ? "" : " ").Append(words[(start + w) % words.Length]);
            return text.ToString();
        }
    }

    /// <summary>A JSON array of {"conversations": [{"from", "value"}, ..]}; those with fewer than two turns are left out.</summary>
    public static List<Exchange> ShareGpt(string path)
    {
        using Stream file = Open(path);
        try
        {
            using JsonDocument document = JsonDocument.Parse(file);
            if (document.RootElement.ValueKind != JsonValueKind.Array) throw new BenchUsageException($"--dataset-path: '{path}' is not a JSON array of conversations (use --dataset-name custom for JSON lines)");
            return [.. document.RootElement.EnumerateArray().Select(FirstExchange).OfType<Exchange>()];
        }
        catch (JsonException e)
        {
            throw new BenchUsageException($"--dataset-path: '{path}' is not JSON: {e.Message}");
        }
    }

    /// <summary>One {"conversations" or "conversation": [{"content" or "value"}, ..]} a line; bad lines are counted and left out.</summary>
    public static List<Exchange> JsonLines(string path, out int numBad)
    {
        numBad = 0;
        List<Exchange> exchanges = [];
        using StreamReader reader = new(Open(path));
        while (reader.ReadLine() is { } line)
        {
            if (line.AsSpan().Trim().IsEmpty) continue;
            try
            {
                using JsonDocument document = JsonDocument.Parse(line);
                if (FirstExchange(document.RootElement) is { } exchange) exchanges.Add(exchange);
            }
            catch (JsonException)
            {
                numBad++;
            }
        }
        return exchanges;
    }

    private static Exchange? FirstExchange(JsonElement item)
    {
        if (item.ValueKind != JsonValueKind.Object) return null;
        if (!item.TryGetProperty("conversations", out JsonElement turns) && !item.TryGetProperty("conversation", out turns)) return null;
        if (turns.ValueKind != JsonValueKind.Array || turns.GetArrayLength() < 2) return null;
        return TextOf(turns[0]) is { } question && TextOf(turns[1]) is { } answer ? new Exchange(question, answer, Seconds(item)) : null;
    }

    /// <summary>"timestamp", in milliseconds, as traces have it.</summary>
    private static double? Seconds(JsonElement item) => item.TryGetProperty("timestamp", out JsonElement time) && time.ValueKind == JsonValueKind.Number ? time.GetDouble() / 1000 : null;

    private static string? TextOf(JsonElement turn) =>
        turn.ValueKind == JsonValueKind.Object && (turn.TryGetProperty("value", out JsonElement text) || turn.TryGetProperty("content", out text)) && text.ValueKind == JsonValueKind.String
            ? text.GetString()
            : null;

    internal static FileStream Open(string path)
    {
        try
        {
            return File.OpenRead(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BenchUsageException($"--dataset-path: cannot read '{path}': {e.Message}");
        }
    }
}
