using System.Globalization;
using System.Text.RegularExpressions;

namespace SgLang.Profiling;

/// <summary>A rank as its file's name tells it; parts that the name lacks are null.</summary>
/// <param name="World">What the file's distributedInfo says; it counts only where the name tells nothing.</param>
public readonly partial record struct TraceRank(int? Tp, int? Dp, int? Pp, int? Ep, int? World = null)
{
    public static TraceRank FromFileName(string path)
    {
        string name = Path.GetFileName(path);
        return new TraceRank(Part(TpPattern()), Part(DpPattern()), Part(PpPattern()), Part(EpPattern()));

        int? Part(Regex pattern) => pattern.Match(name) is { Success: true } match ? int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture) : null;
    }

    /// <summary>"[TP00-DP01]"; without any part "[RANK03]", or "[Unknown]".</summary>
    public string Label
    {
        get
        {
            List<string> parts = [];
            Add("TP", Tp);
            Add("DP", Dp);
            Add("PP", Pp);
            Add("EP", Ep);
            if (parts.Count == 0) Add("RANK", World);
            return parts.Count == 0 ? "[Unknown]" : $"[{string.Join('-', parts)}]";

            void Add(string name, int? rank)
            {
                if (rank is { } number) parts.Add($"{name}{number:00}");
            }
        }
    }

    /// <summary>Of (dp, ep, pp, tp), a missing part counting as 0.</summary>
    public (int, int, int, int) Order => (Dp ?? 0, Ep ?? 0, Pp ?? 0, Tp ?? World ?? 0);

    /// <summary>Where a device's track of this rank is sorted.</summary>
    public long SortIndex(long device) => device + 100_000_000L * (Dp ?? 0) + 1_000_000L * (Ep ?? 0) + 10_000L * (Pp ?? 0) + 100L * (Tp ?? World ?? 0);

    [GeneratedRegex(@"(?<![A-Za-z])TP-(\d{1,6})")]
    private static partial Regex TpPattern();

    [GeneratedRegex(@"(?<![A-Za-z])DP-(\d{1,6})")]
    private static partial Regex DpPattern();

    [GeneratedRegex(@"(?<![A-Za-z])PP-(\d{1,6})")]
    private static partial Regex PpPattern();

    [GeneratedRegex(@"(?<![A-Za-z])EP-(\d{1,6})")]
    private static partial Regex EpPattern();
}
