using System.Text.Json.Nodes;
using SgLang.Profiling.Tests.Merging;

namespace SgLang.Profiling.Tests.Files;

/// <summary>That the rules find what they are for, and that they are not stricter than the profiler that readers were made for.</summary>
public sealed class ReaderRulesTests : IDisposable
{
    private const string Good = """
        {"distributedInfo": {"backend": "none", "rank": 3, "world_size": 4}, "traceEvents": [
        {"ph":"M","name":"process_name","ts":0.000,"pid":1,"tid":0,"args":{"name":"sglang"}},
        {"ph":"X","cat":"user_annotation","name":"step[DECODE bs=2 g_sq=1]","pid":1,"tid":1,"ts":0.000,"dur":9.000,"args":{}},
        {"ph":"X","cat":"cuda_runtime","name":"cudaLaunchKernel","pid":1,"tid":1,"ts":1.000,"dur":2.000,"args":{"correlation":5}},
        {"ph":"s","id":5,"pid":1,"tid":1,"ts":1.000,"cat":"ac2g","name":"ac2g"},
        {"ph":"X","cat":"kernel","name":"k","pid":0,"tid":7,"ts":4.000,"dur":2.000,"args":{"stream":7,"correlation":5}},
        {"ph":"f","id":5,"pid":0,"tid":7,"ts":4.000,"cat":"ac2g","name":"ac2g","bp":"e"}
        ]}
        """;

    private readonly string _directory = TestDirectory.Create("sglang-rules");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void A_good_trace_breaks_none() => Assert.Empty(ReaderRules.Violations(JsonNode.Parse(Good)!, Good));

    [Theory]
    [InlineData("\"rank\": 3", "\"rank\":3", "hta-rank")]
    [InlineData("\"stream\":7,", "\"stream\":0,", "hta-stream")]
    [InlineData("\"stream\":7,", "", "hta-stream")]
    [InlineData("\"args\":{\"correlation\":5}", "\"args\":{\"correlation\":5,\"stream\":7}", "hta-stream")]
    [InlineData("\"stream\":7,\"correlation\":5", "\"stream\":7,\"correlation\":-1", "hta-correlation")]
    [InlineData("\"args\":{\"correlation\":5}", "\"args\":{}", "hta-correlation")]
    [InlineData("\"args\":{\"correlation\":5}", "\"args\":{}", "tracelens-first-launch")]
    [InlineData("\"cat\":\"kernel\",", "", "hta-dropped")]
    [InlineData("\"dur\":9.000", "\"dur\":700000000000.000", "hta-duration")]
    [InlineData("\"name\":\"process_name\"", "\"name\":\"process_uptime\"", "tracelens-metadata")]
    [InlineData("\"args\":{\"name\":\"sglang\"}", "\"args\":{}", "tracelens-metadata")]
    [InlineData("\"ts\":0.000,\"pid\":1,\"tid\":0", "\"ts\":-1.000,\"pid\":1,\"tid\":0", "perfetto-metadata-time")]
    [InlineData("\"id\":5,\"pid\":0", "\"id\":\"5\",\"pid\":0", "perfetto-flow-id")]
    [InlineData("\"id\":5,\"pid\":0,\"tid\":7", "\"id\":5,\"pid\":0,\"tid\":8", "tracelens-flow")]
    [InlineData("\"s\",\"id\":5", "\"s\",\"id\":6", "tracelens-flow")]
    [InlineData("\"pid\":0,\"tid\":7,\"ts\":4.000,\"dur\"", "\"pid\":\"GPU 0\",\"tid\":7,\"ts\":4.000,\"dur\"", "perfetto-track")]
    [InlineData("\"dur\":9.000", "\"dur\":2.999", "perfetto-nesting")]
    [InlineData("bs=2 g_sq=1]", "bs=two]", "tracelens-step")]
    public void Each_rule_finds_what_it_is_for(string from, string to, string rule)
    {
        string bad = Good.Replace(from, to, StringComparison.Ordinal);
        Assert.NotEqual(Good, bad);
        Assert.Contains(ReaderRules.Violations(JsonNode.Parse(bad)!, bad), wrong => wrong.StartsWith(rule, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("torch-eager")]
    [InlineData("torch-eager-stack")]
    [InlineData("torch-graph")]
    public void Traces_of_pytorch_keep_the_rules(string name)
    {
        string path = Path.Combine(SharedTraces.Directory, name + ".trace.json.gz");
        Assert.SkipUnless(File.Exists(path), $"{path} is not there");
        // With stacks its ranges end a little after the functions that opened them, which Perfetto cannot draw.
        Assert.DoesNotContain(ReaderRules.Violations(path), wrong => name != "torch-eager-stack" || !wrong.StartsWith("perfetto-nesting", StringComparison.Ordinal));
    }

    [Fact]
    public void A_merged_trace_keeps_them_as_its_ranks_do()
    {
        string[] paths = [.. Enumerable.Range(0, 3).Select(rank => Path.Combine(_directory, $"1-TP-{rank}.trace.json.gz"))];
        for (int rank = 0; rank < paths.Length; rank++) GeneratedTrace.Write(paths[rank], rank, paths.Length, 5 * 129 + 3, seed: 4);
        string merged = Path.Combine(_directory, "merged-1.trace.json.gz");
        TraceMerger.Merge(paths, merged);
        Assert.All(paths, path => Assert.Empty(ReaderRules.Violations(path)));
        Assert.Empty(ReaderRules.Violations(merged));
    }
}
