using SgLang.Bench.Statistics;

namespace SgLang.Bench.Compare;

/// <summary>What a figure's change comes to.</summary>
public enum Verdict : byte
{
    /// <summary>The confidence interval contains no change, or the change is within the threshold.</summary>
    Same,
    Better,
    Worse,

    /// <summary>A side was run once: nobody knows how far two runs of it lie apart.</summary>
    Unknown,
}

/// <summary>One figure of one case on both sides.</summary>
/// <param name="Change">Second mean minus first, over the first.</param>
/// <param name="HalfWidth">Of the change's 95 % interval; null where a side was run once.</param>
public sealed record FigureChange(string Field, int FirstRuns, int SecondRuns, double First, double Second, double Change, double? HalfWidth, Verdict Verdict);

/// <summary>One case of a sweep and how its figures changed.</summary>
public sealed record CaseChange(string Case, IReadOnlyList<FigureChange> Figures);

/// <summary>Two files' runs of the same thing.</summary>
/// <param name="NotCompared">Arguments that only some lines record, as versions do that know other flags.</param>
public sealed record ComparedRuns(IReadOnlyList<CaseChange> Cases, IReadOnlyList<string> NotCompared)
{
    public bool IsAnythingWorse => Cases.SelectMany(item => item.Figures).Any(figure => figure.Verdict == Verdict.Worse);
}

/// <summary>Result lines of two files, case by case.</summary>
public static class Comparison
{
    /// <exception cref="UnlikeRunsException">The files do not hold runs of the same thing.</exception>
    /// <exception cref="BenchException">A file cannot be read.</exception>
    public static ComparedRuns Of(CompareOptions options)
    {
        IReadOnlyList<ResultLine> first = ResultLine.ReadAll(options.First, options.MayDiffer), second = ResultLine.ReadAll(options.Second, options.MayDiffer);
        IReadOnlyList<string> notCompared = Likeness.Check(options, first, second);
        List<CaseChange> cases = [];
        foreach (IGrouping<string, ResultLine> group in first.GroupBy(line => line.Case))
        {
            ResultLine[] others = [.. second.Where(line => line.Case == group.Key)];
            List<FigureChange> figures = [];
            foreach ((string field, bool isHigherBetter) in ComparedFigures.All)
                if (Change(field, isHigherBetter, [.. group], others, options.Threshold) is { } change) figures.Add(change);
            cases.Add(new CaseChange(group.Key, figures));
        }
        return new ComparedRuns(cases, notCompared);
    }

    /// <summary>Null where a line lacks the figure.</summary>
    private static FigureChange? Change(string field, bool isHigherBetter, ResultLine[] first, ResultLine[] second, double threshold)
    {
        double?[] a = [.. first.Select(line => line.Number(field))], b = [.. second.Select(line => line.Number(field))];
        if (a.Any(value => value is null) || b.Any(value => value is null)) return null;
        double[] before = [.. a.Select(value => value!.Value)], after = [.. b.Select(value => value!.Value)];
        Confidence difference = Confidence.Difference(before, after);
        double mean = before.Average();
        if (!(Math.Abs(mean) > 0)) return null;
        double change = difference.Mean / mean;
        double? halfWidth = difference.HalfWidth / Math.Abs(mean);
        Verdict verdict = halfWidth is not { } half ? Verdict.Unknown
            : Math.Abs(change) <= half || Math.Abs(change) <= threshold ? Verdict.Same
            : change > 0 == isHigherBetter ? Verdict.Better : Verdict.Worse;
        return new FigureChange(field, before.Length, after.Length, mean, after.Average(), change, halfWidth, verdict);
    }
}
