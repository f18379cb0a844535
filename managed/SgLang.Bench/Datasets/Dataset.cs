using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace SgLang.Bench.Datasets;

/// <summary>One request to be made.</summary>
public sealed record PromptRow
{
    /// <summary>Null where there is no tokenizer to make it with.</summary>
    public string? Text { get; init; }

    /// <summary>Null where there is no tokenizer to make them with.</summary>
    public int[]? Ids { get; init; }

    /// <summary>Tokens of the prompt as it is sent: of the ids, or of the text once encoded. 0 where only the server can count.</summary>
    public required int PromptLength { get; init; }
    public required int OutputLength { get; init; }
}

/// <summary>Requests in their sending order, and where they come from.</summary>
public sealed class Dataset
{
    public Dataset(string name, string source, IReadOnlyList<PromptRow> rows)
    {
        Name = name;
        Source = source;
        Rows = rows;
        Hash = HashOf(rows);
    }

    public string Name { get; }

    /// <summary>In words: the file, or how it was generated.</summary>
    public string Source { get; }
    public IReadOnlyList<PromptRow> Rows { get; }

    /// <summary>SHA-256 over prompts and output lengths in order: equal hashes mean the same work.</summary>
    public string Hash { get; }
    public long InputTokens => Rows.Sum(row => (long)row.PromptLength);
    public long OutputTokens => Rows.Sum(row => (long)row.OutputLength);

    public JsonObject ToJson() => new()
    {
        ["name"] = Name,
        ["source"] = Source,
        ["rows"] = Rows.Count,
        ["sha256"] = Hash,
        ["planned_input_tokens"] = InputTokens,
        ["planned_output_tokens"] = OutputTokens,
    };

    private static string HashOf(IReadOnlyList<PromptRow> rows)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (PromptRow row in rows)
        {
            string prompt = row.Text ?? string.Join(',', row.Ids ?? []);
            hash.AppendData(Encoding.UTF8.GetBytes(FormattableString.Invariant($"{prompt.Length}:{prompt}|{row.OutputLength}\n")));
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
