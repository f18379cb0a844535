using System.Globalization;

namespace SgLang.Bench.Serving;

/// <summary>Limits in milliseconds that a good answer keeps; null: any time will do.</summary>
public sealed record ServiceObjectives(double? Ttft, double? Tpot, double? E2E)
{
    /// <summary>"ttft:200", "tpot:50", "e2e:5000" in any order.</summary>
    /// <exception cref="FormatException">The text that is not one of these.</exception>
    public static ServiceObjectives? Parse(IReadOnlyList<string> limits)
    {
        if (limits.Count == 0) return null;
        ServiceObjectives objectives = new(null, null, null);
        foreach (string limit in limits)
        {
            int colon = limit.IndexOf(':');
            if (colon < 0 || !double.TryParse(limit[(colon + 1)..], NumberStyles.Float, CultureInfo.InvariantCulture, out double ms) || !(ms > 0) || !double.IsFinite(ms)) throw new FormatException(limit);
            objectives = limit[..colon] switch
            {
                "ttft" => objectives with { Ttft = ms },
                "tpot" => objectives with { Tpot = ms },
                "e2e" or "e2el" => objectives with { E2E = ms },
                _ => throw new FormatException(limit),
            };
        }
        return objectives;
    }
}
