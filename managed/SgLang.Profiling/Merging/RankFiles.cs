using System.Text.RegularExpressions;

namespace SgLang.Profiling;

/// <summary>Traces that belong into one file: those of one profile, and of one stage of it.</summary>
/// <param name="Name">What the files' names have before the rank, the prefix included.</param>
/// <param name="Stage">"-EXTEND" and the like, or nothing.</param>
public sealed record RankGroup(string Name, string Stage, IReadOnlyList<string> Paths)
{
    public string MergedName(TraceFormat format) => $"merged-{Name}{Stage}{(format == TraceFormat.Pftrace ? TraceFileNames.PftraceExtension : TraceFileNames.Extension)}";
}

/// <summary>Finds the traces of ranks by their names.</summary>
public static partial class RankFiles
{
    private static readonly EnumerationOptions s_readable = new() { IgnoreInaccessible = true };

    /// <summary>
    /// Rank traces of a directory: those named with TP- that are not merged ones; of one profile id where it is given. Where it has none,
    /// those of the directory below it that was written last: `sglang profiler` makes one for each window.
    /// </summary>
    public static string[] Find(string directory, string? profileId = null)
    {
        string[] here = In(directory, profileId);
        if (here.Length > 0) return here;
        return Directory.EnumerateDirectories(directory).Select(window => In(window, profileId)).Where(found => found.Length > 0)
            .MaxBy(found => found.Max(File.GetLastWriteTimeUtc)) ?? [];
    }

    /// <summary>By its name: a trace of a rank, not one that was merged.</summary>
    public static bool IsRankTrace(string name) =>
        (name.EndsWith(TraceFileNames.Extension, StringComparison.Ordinal) || name.EndsWith(TraceFileNames.PlainExtension, StringComparison.Ordinal))
        && !name.StartsWith("merged-", StringComparison.Ordinal) && TraceRank.FromFileName(name).Tp is not null;

    /// <summary>In the order of their names; a file whose name tells no rank is of the group of its whole name's first part.</summary>
    public static IReadOnlyList<RankGroup> Group(IEnumerable<string> paths) =>
    [
        .. paths.GroupBy(KeyOf).OrderBy(group => group.Key.Name, StringComparer.Ordinal).ThenBy(group => group.Key.Stage, StringComparer.Ordinal)
            .Select(group => new RankGroup(group.Key.Name, group.Key.Stage, [.. group])),
    ];

    /// <summary>
    /// Waits until <paramref name="list"/> gives at least <paramref name="expected"/> files of every group and their number and sizes have
    /// stood still for a moment, or the time is over; what there is then is returned.
    /// </summary>
    public static string[] WaitFor(Func<string[]> list, int expected, TimeSpan timeout, TimeProvider time)
    {
        long start = time.GetTimestamp();
        string seen = "";
        while (true)
        {
            string[] paths = list();
            string now = string.Join('\n', paths.Select(path => $"{path} {(File.Exists(path) ? new FileInfo(path).Length : -1)}"));
            bool isComplete = paths.Length > 0 && Group(paths).All(group => group.Paths.Count >= expected);
            if ((isComplete && now == seen) || time.GetElapsedTime(start) >= timeout) return paths;
            seen = now;
            Thread.Sleep(100);
        }
    }

    private static string[] In(string directory, string? profileId) =>
    [
        .. Directory.EnumerateFiles(directory, "*", s_readable)
            .Where(path => IsRankTrace(Path.GetFileName(path)))
            .Where(path => profileId is null || HasId(Path.GetFileName(path), profileId))
            .Order(StringComparer.Ordinal),
    ];

    /// <summary>The id stands right before "-TP-" and either begins the name or follows the prefix, so that no id takes another's files.</summary>
    private static bool HasId(string name, string id) =>
        name.StartsWith($"{id}-TP-", StringComparison.Ordinal) || name.Contains($"-{id}-TP-", StringComparison.Ordinal);

    private static (string Name, string Stage) KeyOf(string path)
    {
        string name = Path.GetFileName(path);
        Match match = RankPattern().Match(name);
        return match.Success ? (match.Groups["name"].Value, match.Groups["stage"].Value) : (name.Split('.')[0], "");
    }

    [GeneratedRegex(@"^(?<name>.*?)-TP-\d+(-DP-\d+)?(-PP-\d+)?(-EP-\d+)?(?<stage>-[A-Za-z][A-Za-z_]*)?\.", RegexOptions.ExplicitCapture)]
    private static partial Regex RankPattern();
}
