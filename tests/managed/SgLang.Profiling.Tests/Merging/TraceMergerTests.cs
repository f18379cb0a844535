using System.IO.Compression;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using SgLang.Profiling.Tests.Files;

namespace SgLang.Profiling.Tests.Merging;

public sealed class TraceMergerTests : IDisposable
{
    private readonly string _directory = TestDirectory.Create("sglang-merge");

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

    private static bool IsOnLane(JsonNode e) => e["tid"] is JsonValue tid && tid.GetValueKind() == JsonValueKind.Number && (long)tid >= 10_000_000;

    private static JsonNode[] Events(JsonNode trace) => [.. trace["traceEvents"]!.AsArray()!];

    [Fact]
    public void Ranks_keep_their_events_and_get_processes_flows_and_correlations_of_their_own()
    {
        const long Origin = 1743521598000000000;
        string second = Save("9-TP-1-DP-2.trace.json.gz", Trace(Origin + 2_000_000, 129));
        string first = Save("9-TP-0.trace.json.gz", Trace(Origin, 17));
        string target = Path.Combine(_directory, "merged-9.trace.json.gz");
        MergeReport report = TraceMerger.Merge([second, first], target, new MergeOptions { ExpectedRanks = 2 });

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
        Assert.Equal(EventRewriter.PidStride + 7700, (long)other[0]["pid"]!);
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

        MergeReport report = TraceMerger.Merge([good, bad], target, new MergeOptions { AllowMissing = true });
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
        Assert.Throws<TraceMergeException>(() => TraceMerger.Merge([good], target, new MergeOptions { ExpectedRanks = 2 }));
        Assert.Throws<TraceMergeException>(() => TraceMerger.Merge([], target));
        Assert.Throws<TraceMergeException>(() => TraceMerger.Merge([good, good], target));
        TraceMerger.Merge([good], target, new MergeOptions { ExpectedRanks = 2, AllowMissing = true });
        Assert.Equal(1, (int)Read(target)["merge_report"]!["missing_ranks"]!);
    }

    [Fact]
    public void The_size_of_the_world_in_the_files_counts_as_expected()
    {
        string good = Save("1-TP-0.trace.json.gz", """{"distributedInfo": {"rank": 0, "world_size": 2}, "traceEvents": []}""");
        string target = Path.Combine(_directory, "m.gz");
        TraceMergeException error = Assert.Throws<TraceMergeException>(() => TraceMerger.Merge([good], target));
        Assert.Contains("the traces tell of 2 ranks", error.Message);
        Assert.Equal(1, TraceMerger.Merge([good], target, new MergeOptions { AllowMissing = true }).NumMissing);
        string same = Save("2-TP-0.trace.json.gz", """{"traceEvents": []}""");
        Assert.Contains("[TP00]", Assert.Throws<TraceMergeException>(() => TraceMerger.Merge([good, same], target)).Message);
    }

    [Fact]
    public void Ranks_without_a_name_are_labelled_and_ordered_by_what_the_file_says()
    {
        string b = Save("a.json.gz", """{"distributedInfo": {"rank": 1}, "traceEvents": [{"ph":"X","pid":1,"tid":1,"ts":1}]}""");
        string a = Save("b.json.gz", """{"distributedInfo": {"rank": 0}, "traceEvents": [{"ph":"X","pid":1,"tid":1,"ts":1}]}""");
        Assert.Equal([("[RANK00]", a), ("[RANK01]", b)], TraceMerger.Merge([b, a], Path.Combine(_directory, "m.gz")).Ranks.Select(rank => (rank.Label, rank.Path)));
    }

    [Fact]
    public void String_pids_are_those_of_sglangs_merger()
    {
        string a = Save("1-TP-0-DP-1.trace.json.gz", Trace(0, 1));
        string target = Path.Combine(_directory, "m.gz");
        TraceMerger.Merge([a], target, new MergeOptions { StringPids = true });
        JsonNode[] events = Events(Read(target));
        Assert.Equal(["[TP00-DP01] 7700", "[TP00-DP01] 0", "[TP00-DP01] 0", "[TP00-DP01] 7700", "[TP00-DP01] Spans", "[TP00-DP01] 7700", "[TP00-DP01] 0"], events.Select(e => (string)e["pid"]!));
        Assert.Equal("sglang", (string)events[0]["args"]!["name"]!);
        Assert.Equal(100_000_000, (long)events[2]["args"]!["sort_index"]!);
    }

    [Fact]
    public void Measured_clocks_move_the_times_and_are_written_down_with_their_error()
    {
        const string One = """{"baseTimeNanoseconds": 5000000000, "traceEvents": [{"ph":"X","ts":100.000,"pid":1,"tid":1}]}""";
        string a = Save("1-TP-0.trace.json.gz", One), b = Save("1-TP-1.trace.json.gz", One), c = Save("1-TP-2.trace.json.gz", One);
        string target = Path.Combine(_directory, "m.gz");
        TraceMerger.Merge([a, b, c], target, new MergeOptions
        {
            ClockOffsets = new Dictionary<string, ClockOffset> { [a] = new(1_000, 40), [b] = new(31_000, 60), [c] = new(1_000, 40) },
        });
        JsonNode merged = Read(target);
        Assert.Equal([100m, 70m, 100m], Events(merged).Select(e => (decimal)e["ts"]!));
        JsonNode[] ranks = [.. merged["merge_report"]!["ranks"]!.AsArray()!];
        Assert.Equal([(0, 0), (30_000, 100), (0, 0)], ranks.Select(rank => ((int)rank["clock_ahead_ns"]!, (int)rank["clock_error_ns"]!)));
    }

    [Fact]
    public void Ranks_merged_side_by_side_come_out_in_order()
    {
        string[] paths = [.. Enumerable.Range(0, 17).Select(rank => Path.Combine(_directory, $"5-TP-{rank}.trace.json.gz"))];
        for (int rank = 0; rank < paths.Length; rank++) GeneratedTrace.Write(paths[rank], rank, paths.Length, 1 + 100 * (rank % 5), seed: 3);
        string one = Path.Combine(_directory, "one.gz"), many = Path.Combine(_directory, "many.gz");
        MergeReport report = TraceMerger.Merge(paths, one, new MergeOptions { MaxParallel = 1 });
        TraceMerger.Merge(paths, many, new MergeOptions { MaxParallel = 5 });
        Assert.Equal(report.NumEvents, Events(Read(one)).Length);
        Assert.True(JsonNode.DeepEquals(Read(one), Read(many)));
        Assert.Equal(paths.Length + 2, Directory.GetFileSystemEntries(_directory).Length);
    }

    [Fact]
    public void Slices_that_overlap_go_to_lanes_with_their_arrows_and_keep_their_order_in_the_file()
    {
        // Kernel 2 overlaps 1, 3 begins after 1, 4 overlaps 2 and 3; a thread with a text for its number overlaps itself as well.
        string trace = """
            {"baseTimeNanoseconds": 0, "traceEvents": [
             {"ph":"M","name":"thread_name","ts":0.000,"pid":0,"tid":7,"args":{"name":"stream 7 "}},
             {"ph":"X","cat":"kernel","name":"k4","pid":0,"tid":7,"ts":19.000,"dur":9.000,"args":{"correlation":4}},
             {"ph":"f","id":4,"pid":0,"tid":7,"ts":19.000,"cat":"ac2g","name":"ac2g","bp":"e"},
             {"ph":"X","cat":"kernel","name":"k1","pid":0,"tid":7,"ts":1.000,"dur":9.500,"args":{"correlation":1}},
             {"ph":"f","id":1,"pid":0,"tid":7,"ts":1.000,"cat":"ac2g","name":"ac2g","bp":"e"},
             {"name":"k2","ph":"X","ts":10.000,"dur":10.000,"tid":7,"pid":0,"cat":"kernel"},
             {"ph":"X","cat":"kernel","name":"k3","pid":0,"tid":7,"ts":11.000,"dur":9.000},
             {"ph":"X","cat":"a","name":"t1","pid":0,"tid":"loop","ts":1.000,"dur":2.000},
             {"ph":"X","cat":"a","name":"t2","pid":0,"tid":"loop","ts":2.000,"dur":2.000}
             ]}
            """;
        string target = Path.Combine(_directory, "merged.gz");
        TraceMerger.Merge([Save("1-TP-0.trace.json.gz", trace), Save("1-TP-1.trace.json.gz", trace)], target);
        JsonNode[] events = Events(Read(target));
        Assert.DoesNotContain(ReaderRules.Violations(target), rule => rule.StartsWith("perfetto-nesting", StringComparison.Ordinal));
        foreach (int pid in (int[])[0, 10_000_000])
        {
            JsonNode[] own = [.. events.Where(e => (long)e["pid"]! == pid)];
            Assert.Equal(["k4", "k1", "k2", "k3", "t1", "t2"], own.Where(e => (string)e["ph"]! == "X").Select(e => (string)e["name"]!));
            Assert.Equal(["20000007", "7", "10000007", "7", "loop", "loop (overlap 1)"], own.Where(e => (string)e["ph"]! == "X").Select(e => e["tid"]!.ToString()));
            Assert.All(own.Where(e => (string)e["ph"]! == "f"), flow =>
                Assert.Equal((long)own.Single(e => (string)e["ph"]! == "X" && (long?)e["args"]?["correlation"] == (long)flow["id"]!)["tid"]!, (long)flow["tid"]!));
            Assert.Equal(["stream 7 ", "stream 7 (overlap 1)", "stream 7 (overlap 2)", "thread loop (overlap 1)"], own.Where(e => (string)e["name"]! == "thread_name").Select(e => (string)e["args"]!["name"]!));
        }
    }

    [Fact]
    public void Traces_of_pytorch_merge_without_losing_an_event()
    {
        string traces = SharedTraces.Directory;
        Assert.SkipUnless(Directory.Exists(traces), $"{traces} is not there");
        string[] files = [.. Directory.GetFiles(traces, "*.trace.json.gz").Order(StringComparer.Ordinal)];
        string[] ranks = [.. files.Select((file, i) => Path.Combine(_directory, $"7-TP-{i}.trace.json.gz"))];
        for (int i = 0; i < files.Length; i++) File.Copy(files[i], ranks[i]);
        string target = Path.Combine(_directory, "merged-7.trace.json.gz");
        TraceMerger.Merge(ranks, target, new MergeOptions { ExpectedRanks = files.Length });

        JsonNode[] originals = [.. ranks.Select(Read)];
        JsonNode merged = Read(target);
        // Perfetto would drop slices that overlap in part, of which the trace with stacks has some; names of their lanes come with them.
        Assert.DoesNotContain(ReaderRules.Violations(target), rule => rule.StartsWith("perfetto-nesting", StringComparison.Ordinal));
        JsonNode[] events = [.. Events(merged).Where(e => !IsOnLane(e) || (string)e["ph"]! != "M")];
        Assert.Contains(events, e => (string)e["ph"]! == "X" && IsOnLane(e));
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
