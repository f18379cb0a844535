using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using SgLang.Bench.Reports;

namespace SgLang.Bench.Datasets;

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
            string prompt = row.Text ?? (row.Messages is { } messages ? ResultFile.ToLine(messages) : string.Join(',', row.Ids ?? []));
            string line = FormattableString.Invariant($"{prompt.Length}:{prompt}|{row.OutputLength}");
            foreach (string image in row.Images) line += "|" + Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(image)));
            foreach (JsonArray turn in row.LaterTurns) line += "|" + ResultFile.ToLine(turn);
            if (row.Timestamp is { } at) line += FormattableString.Invariant($"|@{at:R}");
            if (row.ExtraBody is { } extra) line += "|" + ResultFile.ToLine(extra);
            hash.AppendData(Encoding.UTF8.GetBytes(line + "\n"));
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
