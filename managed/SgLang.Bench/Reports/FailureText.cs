using System.Text;

namespace SgLang.Bench.Reports;

/// <summary>Failed requests, grouped by reason, most frequent first.</summary>
internal static class FailureText
{
    private const int LongestReason = 300;

    public static string Of(IReadOnlyDictionary<string, int> failures)
    {
        if (failures.Count == 0) return "";
        var text = new StringBuilder($"{failures.Values.Sum()} requests FAILED and are in none of the figures above:\n");
        foreach ((string reason, int count) in failures.OrderByDescending(f => f.Value))
            text.Append($"  {count} x {(reason.Length > LongestReason ? reason[..LongestReason] + "..." : reason).ReplaceLineEndings(" ")}\n");
        return text.ToString();
    }
}
