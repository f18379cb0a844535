using System.Diagnostics;
using System.Globalization;

namespace SgLang.Profiling.Tests.Merging;

/// <summary>
/// Time and memory of merging generated traces. Run by hand: `--explicit only --filter-method "*MergeSpeed*" --show-live-output on`, for the memory
/// one case at a time with SGLANG_MERGE_RANKS and SGLANG_MERGE_FORMAT, since a process keeps what an earlier case has needed.
/// SGLANG_MERGE_FILES names a directory where the generated traces are kept and found again.
/// </summary>
public class MergeSpeed(ITestOutputHelper output)
{
    private const int EventsPerRank = 300_000;

    [Theory(Explicit = true)]
    [InlineData(8, TraceFormat.Json)]
    [InlineData(64, TraceFormat.Json)]
    [InlineData(8, TraceFormat.Pftrace)]
    [InlineData(64, TraceFormat.Pftrace)]
    public void Seconds_and_peak_memory(int ranks, TraceFormat format)
    {
        Assert.SkipUnless(IsWanted("SGLANG_MERGE_RANKS", $"{ranks}") && IsWanted("SGLANG_MERGE_FORMAT", $"{format}"), "not asked for");
        string? kept = Environment.GetEnvironmentVariable("SGLANG_MERGE_FILES");
        string directory = kept is null ? TestDirectory.Create("sglang-merge-speed") : Directory.CreateDirectory(Path.Combine(kept, $"{ranks}")).FullName;
        try
        {
            string[] paths = [.. Enumerable.Range(0, ranks).Select(rank => Path.Combine(directory, $"17-TP-{rank}.trace.json.gz"))];
            Parallel.For(0, ranks, rank =>
            {
                if (!File.Exists(paths[rank])) GeneratedTrace.Write(paths[rank], rank, ranks, EventsPerRank, seed: 5);
            });
            GC.Collect();
            // The first time the runtime compiles on the way.
            foreach (string round in (string[])["first", "again"])
            {
                string target = Path.Combine(directory, $"merged-17.{format}");
                bool isPeakReset = ResetPeak();
                long start = Stopwatch.GetTimestamp();
                MergeReport report = TraceMerger.Merge(paths, target, new MergeOptions { Format = format });
                double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
                Assert.Equal((long)ranks * EventsPerRank, report.NumEvents);
                output.WriteLine($"{format}, {ranks} ranks x {EventsPerRank} events, {round}: {seconds:0.00} s, peak {PeakMegabytes()} MB of the whole test process{(isPeakReset ? "" : " since its start")}, {new FileInfo(target).Length / 1e6:0.0} MB written");
            }
        }
        finally
        {
            if (kept is null) Directory.Delete(directory, recursive: true);
        }
    }

    private static bool IsWanted(string variable, string value) =>
        Environment.GetEnvironmentVariable(variable) is not { Length: > 0 } wanted || string.Equals(wanted, value, StringComparison.OrdinalIgnoreCase);

    /// <summary>proc(5): 5 sets the peak to what is resident now.</summary>
    private static bool ResetPeak()
    {
        try
        {
            File.WriteAllText("/proc/self/clear_refs", "5");
            return true;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static long PeakMegabytes()
    {
        if (!File.Exists("/proc/self/status")) return Process.GetCurrentProcess().PeakWorkingSet64 >> 20;
        string line = File.ReadLines("/proc/self/status").First(text => text.StartsWith("VmHWM:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture) / 1024;
    }
}
