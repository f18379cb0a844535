using System.Runtime.ExceptionServices;
using System.Text.Json;

namespace SgLang.Profiling;

/// <summary>
/// Joins traces of ranks into one file, event by event: in JSON memory depends neither on their number nor on their size. Process numbers,
/// flow ids and correlations become unique to each rank, tracks carry the rank's label, and times move to the first file's base and clock.
/// </summary>
public static class TraceMerger
{
    /// <summary>Merges in the order of (dp, ep, pp, tp), then of names.</summary>
    /// <exception cref="TraceMergeException">Nothing to merge, or a rank that is damaged or missing.</exception>
    public static MergeReport Merge(IReadOnlyList<string> paths, string target, MergeOptions? options = null)
    {
        options ??= new MergeOptions();
        if (paths.Count == 0) throw new TraceMergeException("there are no traces to merge");
        string[] duplicates = [.. paths.GroupBy(Path.GetFullPath).Where(same => same.Count() > 1).Select(same => same.Key)];
        if (duplicates.Length > 0) throw new TraceMergeException($"{string.Join(", ", duplicates)}: named twice");

        MergeSource[] sources = [.. paths.Select(path => MergeSource.Open(path, options))];
        sources = [.. sources.OrderBy(source => source.Rank.Order).ThenBy(source => Path.GetFileName(source.Path), StringComparer.Ordinal)];
        int missing = CheckRanks(sources, options);
        for (int i = 0; i < sources.Length; i++) sources[i].Place(i, First(sources));

        string full = Path.GetFullPath(target);
        AtomicFile.Write(full, file =>
        {
            if (options.Format == TraceFormat.Pftrace) PftraceMerge.Write(sources, file, Path.GetDirectoryName(full)!, missing, options);
            else JsonMerge.Write(sources, file, Path.GetDirectoryName(full)!, missing, options);
        });
        return new MergeReport(target, sources.Sum(source => source.NumEvents), [.. sources.Select(source => source.Result)], missing);
    }

    /// <summary>Every rank on a thread of its own, as many at once as <paramref name="maxParallel"/>; the first rank's error is the one that is thrown.</summary>
    internal static void ForEachRank(IReadOnlyList<MergeSource> sources, int maxParallel, Action<MergeSource> work)
    {
        var errors = new Exception?[sources.Count];
        int next = -1;
        var threads = new Thread[Math.Clamp(maxParallel, 1, sources.Count)];
        for (int t = 0; t < threads.Length; t++)
        {
            threads[t] = new Thread(() =>
            {
                int i;
                while (Array.TrueForAll(errors, static error => error is null) && (i = Interlocked.Increment(ref next)) < sources.Count)
                {
                    try
                    {
                        work(sources[i]);
                    }
                    // Carried to the caller, whatever it is.
                    catch (Exception error)
                    {
                        errors[i] = error;
                    }
                }
            })
            { Name = "sgl-merge" };
            threads[t].Start();
        }
        foreach (Thread thread in threads) thread.Join();
        if (Array.Find(errors, static error => error is not null) is { } first) ExceptionDispatchInfo.Throw(first);
    }

    private static int CheckRanks(MergeSource[] sources, MergeOptions options)
    {
        int? expected = options.ExpectedRanks ?? sources.Max(source => source.Header?.WorldSize);
        int missing = Math.Max(0, (expected ?? 0) - sources.Length);
        if (missing > 0 && !options.AllowMissing)
        {
            string said = options.ExpectedRanks is null ? $"the traces tell of {expected} ranks" : $"{expected} ranks are expected";
            throw new TraceMergeException(
                $"{said} and {sources.Length} traces are there ({string.Join(", ", sources.Select(source => source.Rank.Label))}); wait for the others, or use --allow-missing");
        }
        string[] twice = [.. sources.Where(source => source.Rank.Label != "[Unknown]").GroupBy(source => source.Rank.Label).Where(same => same.Count() > 1).Select(same => same.Key)];
        if (twice.Length > 0) throw new TraceMergeException($"{string.Join(", ", twice)}: more than one trace is of this rank; merge one profile and one stage at a time");
        return missing;
    }

    /// <summary>Whose base and clock the merged file has.</summary>
    private static MergeSource First(MergeSource[] sources) => Array.Find(sources, static source => source.Header is not null) ?? sources[0];
}
