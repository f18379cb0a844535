using System.IO.Compression;
using System.Reflection;
using System.Text;
using System.Text.Json.Nodes;

namespace SgLang.Profiling.Tests.Merging;

public sealed class TraceMergerTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("sglang-merge").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private string Save(string name, string json)
    {
        string path = Path.Combine(_directory, name);
        using GZipStream gzip = new(File.Create(path), CompressionLevel.Fastest);
        gzip.Write(Encoding.UTF8.GetBytes(json));
        return path;
    }

    private static JsonNode Read(string path)
    {
        using GZipStream gzip = new(File.OpenRead(path), CompressionMode.Decompress);
        return JsonNode.Parse(gzip)!;
    }

    private static string Trace(long origin, int events)
    {
        string kernels = string.Join(",\n", Enumerable.Range(0, events).Select(i => """
            {"ph":"X","cat":"kernel","name":"k\"pid\"{","pid":0,"tid":7,"ts":#.125,"dur":1.000,"args":{"correlation":#,"pid":3,"grid":[1,2,3],"deep":{"correlation":9,"ts":1}}}
            """.Replace("#", $"{i}", StringComparison.Ordinal)));
        return """
            {"schemaVersion": 1, "deviceProperties": [{"id": 0, "name": "GPU {x}"}], "distributedInfo": {"rank": 0},
             "baseTimeNanoseconds": ORIGIN, "traceEvents": [
             {"ph":"M","name":"process_name","ts":0.000,"pid":7700,"tid":0,"args":{"name":"sglang"}},
             {"ph":"M","name":"process_labels","ts":0.000,"pid":0,"tid":0,"args":{"labels":"GPU 0"}},
             {"ph":"M","name":"process_sort_index","ts":0.000,"pid":0,"tid":0,"args":{"sort_index":5000000}},
             {"ph":"M","name":"process_sort_index","ts":0.000,"pid":7700,"tid":0,"args":{"sort_index":77}},
             {"ph":"X","cat":"Trace","name":"w","pid":"Spans","tid":"PyTorch Profiler","ts":1.000,"dur":9.000},
             {"ph":"s","id":5,"pid":7700,"tid":78,"ts":3.250,"cat":"ac2g","name":"ac2g"},
             KERNELS
             ]}
            """.Replace("ORIGIN", $"{origin}", StringComparison.Ordinal).Replace("KERNELS", kernels, StringComparison.Ordinal);
    }

    private static JsonNode[] Events(JsonNode trace) => [.. trace["traceEvents"]!.AsArray()!];

    [Fact]
    public void Ranks_keep_their_events_and_get_processes_flows_and_correlations_of_their_own()
    {
        const long Origin = 1743521598000000000;
        string second = Save("9-TP-1-DP-2.trace.json.gz", Trace(Origin + 2_000_000, 129));
        string first = Save("9-TP-0.trace.json.gz", Trace(Origin, 17));
        string target = Path.Combine(_directory, "merged-9.trace.json.gz");
        MergeReport report = TraceMerger.Merge([second, first], target, expectedRanks: 2);

        Assert.Equal([("[TP00]", 23L), ("[TP01-DP02]", 135L)], report.Ranks.Select(r => (r.Label, r.NumEvents)));
        JsonNode merged = Read(target);
        JsonNode[] events = Events(merged);
        Assert.Equal(23 + 135, events.Length);
        Assert.Equal(Origin, (long)merged["baseTimeNanoseconds"]!);
        Assert.Equal(2, merged["deviceProperties"]!.AsArray().Count);
        Assert.Equal(2, merged["distributedInfos"]!.AsArray().Count);

        // The first rank's numbers stay as they were.
        JsonNode original = Read(first);
        string[] untouched = ["kernel", "ac2g"];
        Assert.Equal(
            Events(original).Where(e => untouched.Contains((string?)e["cat"])).Select(e => e.ToJsonString()),
            events.Take(23).Where(e => untouched.Contains((string?)e["cat"])).Select(e => e.ToJsonString()));

        JsonNode[] other = events[23..];
        Assert.Equal("[TP01-DP02] sglang", (string)other[0]["args"]!["name"]!);
        Assert.Equal(TraceMerger.PidStride + 7700, (long)other[0]["pid"]!);
        Assert.Equal("[TP01-DP02] GPU 0", (string)other[1]["args"]!["labels"]!);
        Assert.Equal(200_000_100, (long)other[2]["args"]!["sort_index"]!);
        Assert.Equal(77, (long)other[3]["args"]!["sort_index"]!);
        Assert.Equal("[TP01-DP02] Spans", (string)other[4]["pid"]!);
        Assert.Equal((1L << 32) + 5, (long)other[5]["id"]!);
        Assert.Equal(2003.250m, (decimal)other[5]["ts"]!);
        JsonNode kernel = other[6 + 128];
        Assert.Equal((1L << 32) + 128, (long)kernel["args"]!["correlation"]!);
        Assert.Equal((2128.125m, 3, 9, 1), ((decimal)kernel["ts"]!, (int)kernel["args"]!["pid"]!, (int)kernel["args"]!["deep"]!["correlation"]!, (int)kernel["args"]!["deep"]!["ts"]!));
        Assert.Equal("k\"pid\"{", (string)kernel["name"]!);
    }

    [Fact]
    public void A_base_behind_the_events_counts_as_well()
    {
        string a = Save("1-TP-0.trace.json.gz", """{"traceEvents": [{"ph":"X","ts":1.5,"pid":1,"tid":1}], "baseTimeNanoseconds": 1000}""");
        string b = Save("1-TP-1.trace.json.gz", """{"traceEvents": [{"ph":"X","ts":1.5,"pid":1,"tid":1}], "baseTimeNanoseconds": 3000}""");
        string target = Path.Combine(_directory, "m.gz");
        TraceMerger.Merge([a, b], target);
        Assert.Equal([1.5m, 3.5m], Events(Read(target)).Select(e => (decimal)e["ts"]!));
    }

    [Fact]
    public void An_event_larger_than_the_buffer_is_copied_whole()
    {
        string text = new('x', 700_001);
        string a = Save("1-TP-0.trace.json.gz", "{\"a\": \"" + text + "\", \"traceEvents\": [{\"ph\":\"X\",\"name\":\"" + text + "\",\"pid\":1,\"ts\":1,\"tid\":1},{\"ph\":\"X\",\"pid\":2,\"ts\":1,\"tid\":1}]}");
        string target = Path.Combine(_directory, "m.gz");
        TraceMerger.Merge([a], target);
        JsonNode merged = Read(target);
        Assert.Equal(text, (string)merged["a"]!);
        Assert.Equal(text, (string)Events(merged)[0]["name"]!);
        Assert.Equal(2, Events(merged).Length);
    }

    [Theory]
    [InlineData(0.5)]
    [InlineData(0.99)]
    public void A_damaged_rank_fails_loudly_or_is_said_in_the_file(double kept)
    {
        string good = Save("1-TP-0.trace.json.gz", Trace(0, 17));
        string bad = Save("1-TP-1.trace.json.gz", Trace(0, 2000));
        byte[] bytes = File.ReadAllBytes(bad);
        File.WriteAllBytes(bad, bytes[..(int)(bytes.Length * kept)]);
        string target = Path.Combine(_directory, "m.gz");

        TraceMergeException error = Assert.Throws<TraceMergeException>(() => TraceMerger.Merge([good, bad], target));
        Assert.Contains("1-TP-1.trace.json.gz", error.Message);
        Assert.False(File.Exists(target));
        Assert.Equal(2, Directory.GetFiles(_directory).Length);

        MergeReport report = TraceMerger.Merge([good, bad], target, allowMissing: true);
        Assert.NotNull(report.Ranks[1].Error);
        JsonNode merged = Read(target);
        Assert.Equal(report.NumEvents, Events(merged).Length);
        Assert.Equal(1, (int)merged["merge_report"]!["total_files"]!);
        Assert.NotNull(merged["merge_report"]!["ranks"]![1]!["error"]);
    }

    [Fact]
    public void A_missing_rank_is_an_error_unless_allowed()
    {
        string good = Save("1-TP-0.trace.json.gz", Trace(0, 1));
        string target = Path.Combine(_directory, "m.gz");
        Assert.Throws<TraceMergeException>(() => TraceMerger.Merge([good], target, expectedRanks: 2));
        Assert.Throws<TraceMergeException>(() => TraceMerger.Merge([], target));
        Assert.Throws<TraceMergeException>(() => TraceMerger.Merge([good, good], target));
        TraceMerger.Merge([good], target, expectedRanks: 2, allowMissing: true);
        Assert.Equal(1, (int)Read(target)["merge_report"]!["missing_ranks"]!);
    }

    [Fact]
    public void Finding_takes_only_rank_traces_of_the_very_profile()
    {
        foreach (string name in (string[])["1-TP-0", "p-1-TP-1", "11-TP-0", "merged-1", "merged-1-TP-0", "1-DP-0"]) Save(name + ".trace.json.gz", "{}");
        Assert.Equal(["1-TP-0.trace.json.gz", "p-1-TP-1.trace.json.gz"], TraceMerger.Find(_directory, "1").Select(Path.GetFileName));
        Assert.Equal(3, TraceMerger.Find(_directory).Length);
    }

    [Fact]
    public void Traces_of_pytorch_merge_without_losing_an_event()
    {
        string root = typeof(TraceMergerTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "RepositoryRoot").Value!;
        string traces = Path.GetFullPath(Path.Combine(root, "..", "shared", "traces"));
        Assert.SkipUnless(Directory.Exists(traces), $"{traces} is not there");
        string[] files = [.. Directory.GetFiles(traces, "*.trace.json.gz").Order(StringComparer.Ordinal)];
        string[] ranks = [.. files.Select((file, i) => Path.Combine(_directory, $"7-TP-{i}.trace.json.gz"))];
        for (int i = 0; i < files.Length; i++) File.Copy(files[i], ranks[i]);
        string target = Path.Combine(_directory, "merged-7.trace.json.gz");
        TraceMerger.Merge(ranks, target, expectedRanks: files.Length);

        JsonNode[] originals = [.. ranks.Select(Read)];
        JsonNode merged = Read(target);
        JsonNode[] events = Events(merged);
        Assert.Equal(originals.Sum(trace => Events(trace).Length), events.Length);
        int at = 0;
        for (int rank = 0; rank < originals.Length; rank++)
        {
            decimal shift = ((long)originals[rank]["baseTimeNanoseconds"]! - (long)originals[0]["baseTimeNanoseconds"]!) / 1000m;
            foreach (JsonNode before in Events(originals[rank]))
            {
                JsonNode after = events[at++];
                Assert.Equal((string?)before["name"], (string?)after["name"]);
                Assert.Equal(before["dur"]?.ToJsonString(), after["dur"]?.ToJsonString());
                Assert.Equal((decimal)before["ts"]! + shift, (decimal)after["ts"]!);
                if (before["args"]?["correlation"] is { } correlation) Assert.Equal((long)correlation + ((long)rank << 32), (long)after["args"]!["correlation"]!);
            }
        }
    }
}
