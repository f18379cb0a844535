using System.IO.Compression;
using System.Text.Json.Nodes;
using SgLang.Profiling.Tests.Merging;

namespace SgLang.Profiling.Tests.Perfetto;

public sealed class PftraceTests(ITestOutputHelper output) : IDisposable
{
    private readonly string _directory = TestDirectory.Create("sglang-pftrace");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private string Save(string name, string json)
    {
        string path = Path.Combine(_directory, name);
        File.WriteAllText(path, json);
        return path;
    }

    private PftraceDecoder Convert(params string[] paths)
    {
        string target = Path.Combine(_directory, "out.pftrace");
        TraceMerger.Merge(paths, target, new MergeOptions { Format = TraceFormat.Pftrace });
        PftraceDecoder decoder = new(target);
        Assert.Equal(0, decoder.Unbalanced);
        return decoder;
    }

    [Fact]
    public void Slices_names_arguments_and_flows_come_back()
    {
        PftraceDecoder trace = Convert(Save("1-TP-0.trace.json", """
            {"baseTimeNanoseconds": 1790857026000000000, "sglang": {"loss": {}}, "traceEvents": [
            {"ph":"X","cat":"kernel","name":"g\"1\"","pid":0,"tid":7,"ts":5.250,"dur":2.000,"args":{"correlation":9,"grid":[1,2,3],"share":0.25,"module":"a\\b","ok":true,"none":null}},
            {"ph":"X","cat":"cuda_runtime","name":"cudaLaunchKernel","pid":4711,"tid":4712,"ts":1.000,"dur":1.500,"args":{}},
            {"ph":"X","cat":"cpu_op","name":"linear","pid":4711,"tid":4712,"ts":0.500,"dur":3.000},
            {"ph":"s","id":9,"pid":4711,"tid":4712,"ts":1.000,"cat":"ac2g","name":"ac2g"},
            {"ph":"f","id":9,"pid":0,"tid":7,"ts":5.250,"cat":"ac2g","name":"ac2g","bp":"e"},
            {"ph":"C","name":"queue","pid":4711,"tid":0,"ts":2.000,"args":{"waiting":3.5}},
            {"ph":"i","s":"g","name":"Record Window End","pid":"","tid":"","ts":9.000},
            {"ph":"M","name":"process_name","ts":0.000,"pid":4711,"tid":0,"args":{"name":"sglang"}},
            {"ph":"M","name":"process_labels","ts":0.000,"pid":0,"tid":0,"args":{"labels":"GPU 0"}},
            {"ph":"M","name":"process_labels","ts":0.000,"pid":1,"tid":0,"args":{"labels":"GPU 1"}},
            {"ph":"M","name":"thread_name","ts":0.000,"pid":4711,"tid":4712,"args":{"name":"thread 4712 (rank)"}}
            ]}
            """));
        DecodedSlice kernel = trace.Slices.Single(slice => slice.Category == "kernel");
        Assert.Equal(("GPU 0/7", "g\"1\"", 5250, 7250), (kernel.Track, kernel.Name, kernel.Start, kernel.End));
        Assert.Equal("correlation=9 grid=[1,2,3] share=0.25 module=a\\b ok=true none=null", string.Join(' ', kernel.Annotations.Select(a => $"{a.Key}={a.Value}")));
        DecodedSlice launch = trace.Slices.Single(slice => slice.Name == "cudaLaunchKernel");
        Assert.Equal(("sglang/thread 4712 (rank)", 1, 1000, 2500), (launch.Track, launch.Depth, launch.Start, launch.End));
        Assert.Equal([9UL], launch.Flows);
        Assert.Equal([9UL], kernel.Flows);
        Assert.Empty(trace.Slices.Single(slice => slice.Name == "linear").Flows);
        Assert.Equal([("sglang/queue waiting", 2000, 3.5)], trace.Counters);
        Assert.Equal([(4711, "sglang")], trace.Processes);
        Assert.Equal((0, 1790857026000000000), (trace.ClockSnapshot[6], trace.ClockSnapshot[1]));
        Assert.Equal(["Record Window End", "[TP00] sglang"], trace.Instants.Select(instant => instant.Name).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Random_slices_of_two_ranks_come_back_each_with_its_own_times()
    {
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        List<(string Rank, int Thread, string Name, long Start, long End)> wanted = [];
        string[] paths = [.. Enumerable.Range(0, 2).Select(rank => Save($"1-TP-{rank}.trace.json", $$"""{"traceEvents": [{{string.Join(",\n", Enumerable.Range(0, 700).Select(i =>
        {
            // Many begin and end at the same moments, and some last no time at all.
            int thread = random.Next(3), start = random.Next(200), length = random.Next(4) == 0 ? 0 : random.Next(40);
            wanted.Add(($"[TP0{rank}] 4711", thread, $"s{rank}.{i}", start * 1000, (start + length) * 1000));
            return $$"""{"ph":"X","name":"s{{rank}}.{{i}}","pid":4711,"tid":{{thread}},"ts":{{start}},"dur":{{length}}}""";
        }))}}]}"""))];
        PftraceDecoder trace = Convert(paths);
        Assert.Equal(
            wanted.Order(),
            trace.Slices.Select(slice => (slice.Track.Split('/')[0], int.Parse(slice.Track.Split('/')[1].Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture), slice.Name, slice.Start, slice.End)).Order());
        Assert.Equal([4711, 10_004_711], trace.Processes.Select(process => process.Pid));
        Assert.Contains("\"total_events\":1400", trace.Instants.Single(instant => instant.Name == "merge_report").Annotations["value"], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("torch-eager")]
    [InlineData("torch-eager-stack")]
    [InlineData("torch-graph")]
    public void Traces_of_pytorch_keep_every_slice(string name)
    {
        string path = Path.Combine(SharedTraces.Directory, name + ".trace.json.gz");
        Assert.SkipUnless(File.Exists(path), $"{path} is not there");
        JsonNode[] events;
        using (GZipStream gzip = new(File.OpenRead(path), CompressionMode.Decompress)) events = [.. JsonNode.Parse(gzip)!["traceEvents"]!.AsArray()!];
        PftraceDecoder trace = Convert(path);
        Assert.Equal(
            events.Where(e => (string?)e["ph"] == "X").Select(e => ((string)e["name"]!, (long)((decimal)e["ts"]! * 1000), (long)((decimal)e["dur"]! * 1000))).Order(),
            trace.Slices.Select(slice => (slice.Name, slice.Start, slice.End - slice.Start)).Order());
        Assert.Equal(events.Count(e => (string?)e["cat"] == "kernel"), trace.Slices.Count(slice => slice.Category == "kernel" && slice.Flows.Length == 1));
    }

    [Fact]
    public void A_generated_rank_keeps_its_nesting()
    {
        string path = Path.Combine(_directory, "1-TP-0.trace.json.gz");
        GeneratedTrace.Write(path, 0, 1, 5_003, seed: 2);
        PftraceDecoder trace = Convert(path);
        Assert.All(trace.Slices.Where(slice => slice.Category == "cuda_runtime"), slice => Assert.Equal(1, slice.Depth));
        Assert.All(trace.Slices.Where(slice => slice.Category is "kernel" or "cpu_op"), slice => Assert.Equal(0, slice.Depth));
    }
}
