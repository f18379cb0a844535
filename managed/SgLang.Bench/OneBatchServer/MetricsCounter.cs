using System.Globalization;

namespace SgLang.Bench.OneBatchServer;

/// <summary>Reads counters out of Prometheus text.</summary>
internal static class MetricsCounter
{
    /// <summary>The sum over all labels; null where the counter is not there.</summary>
    public static double? Sum(string? metrics, string name)
    {
        double? sum = null;
        foreach (ReadOnlySpan<char> line in (metrics ?? "").AsSpan().EnumerateLines())
        {
            if (!line.StartsWith(name) || line.Length == name.Length || line[name.Length] is not ('{' or ' ')) continue;
            ReadOnlySpan<char> rest = line[(line.LastIndexOf('}') is >= 0 and var close ? close + 1 : name.Length)..].Trim();
            if (rest.IndexOf(' ') is >= 0 and var stamp) rest = rest[..stamp];
            if (double.TryParse(rest, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)) sum = (sum ?? 0) + value;
        }
        return sum;
    }
}
