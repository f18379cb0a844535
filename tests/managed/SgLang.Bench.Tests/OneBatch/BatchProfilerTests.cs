using System.Text.Json;
using System.Text.RegularExpressions;
using SgLang.Bench.OneBatch;
using SgLang.Profiling;

namespace SgLang.Bench.Tests.OneBatch;

/// <summary>bench-one-batch --profile on the demo model: which steps are in which file.</summary>
public class BatchProfilerTests
{
    private readonly string _directory = Path.GetDirectoryName(DemoModel.ResultFile())!;

    private OneBatchOptions Options(BatchProfileOptions? profile = null) => new()
    {
        Engine = DemoModel.Options, BatchSizes = [2], InputLengths = [17], OutputLengths = [8], ResultFile = Path.Combine(_directory, "r.jsonl"),
        Profile = profile ?? new BatchProfileOptions { Directory = _directory },
    };

    private string[] Traces => [.. Directory.GetFiles(_directory, "*.gz").Select(Path.GetFileName).Order(StringComparer.Ordinal)!];

    private TraceAnalysis Read(string file) => TraceAnalyzer.Analyze([Path.Combine(_directory, file)]);

    [Fact]
    public void Prefill_and_the_middle_decode_step_have_files_of_their_own()
    {
        var output = new StringWriter();
        OneBatchResult result = OneBatchBenchmark.Run(Options(), output).Single();
        Assert.Equal(["profile_batch2_input17_output8_decode.trace.json.gz", "profile_batch2_input17_output8_prefill.trace.json.gz"], Traces);
        Assert.Equal(Traces, result.ProfileFiles!.Select(Path.GetFileName).Order(StringComparer.Ordinal));

        StepRow prefill = Assert.Single(Read(Traces[1]).Steps), decode = Assert.Single(Read(Traces[0]).Steps);
        Assert.StartsWith("step[EXTEND", prefill.Name);
        Assert.Contains("toks=34", prefill.Name);
        Assert.StartsWith("step[DECODE", decode.Name);
        Assert.Contains("sgl::linear", output.ToString());

        // The figures are those of the run without a profiler.
        JsonElement line = DemoModel.Lines(Path.Combine(_directory, "r.jsonl")).Single();
        Assert.Equal(result.PrefillLatency, line.GetProperty("prefill_latency").GetDouble());
        Assert.Equal(2, line.GetProperty("profile_files").GetArrayLength());
    }

    [Fact]
    public void With_shapes_the_table_has_a_row_for_each()
    {
        var output = new StringWriter();
        OneBatchBenchmark.Run(Options(new BatchProfileOptions { Directory = _directory, RecordShapes = true }), output);
        // 2 prompts of 17 tokens, then a token of each.
        Assert.Matches(@"sgl::rms_norm \[34,\d+\] ", output.ToString());
        Assert.Matches(@"sgl::rms_norm \[2,\d+\] ", output.ToString());
        Assert.True(Regex.Matches(output.ToString(), @"sgl::linear \[2,\d+\] ").Count > 1, "products of hidden states and of the MLP's differ in their columns");
    }

    [Fact]
    public void Each_rank_has_files_of_its_own()
    {
        OneBatchResult result = OneBatchBenchmark.Run(Options() with { Engine = DemoModel.Options with { TpSize = 2 } }, TextWriter.Null).Single();
        string[] expected = [.. from stage in new[] { "decode", "prefill" } from rank in new[] { 0, 1 } select $"profile_batch2_input17_output8_{stage}-TP-{rank}.trace.json.gz"];
        Assert.Equal(expected, Traces);
        Assert.Equal(expected, result.ProfileFiles!.Select(Path.GetFileName).Order(StringComparer.Ordinal));
        foreach (string file in expected)
        {
            TraceAnalysis trace = Read(file);
            Assert.StartsWith(file.Contains("prefill", StringComparison.Ordinal) ? "step[EXTEND" : "step[DECODE", Assert.Single(trace.Steps).Name);
            Assert.Contains(trace.Operators, row => row.Name == "sgl::linear");
        }
    }

    [Theory]
    [InlineData(2, 3, 3)]
    [InlineData(0, 100, 7)]
    [InlineData(5, 4, 2)]
    [InlineData(50, 4, 1)]
    public void Decode_windows_end_with_the_last_step(int start, int steps, int recorded)
    {
        var output = new StringWriter();
        OneBatchBenchmark.Run(Options(new BatchProfileOptions { Directory = _directory, Stage = "decode", StartStep = start, Steps = steps, Prefix = "p" }), output);
        string trace = Assert.Single(Traces);
        Assert.Equal("p_batch2_input17_output8_decode.trace.json.gz", trace);
        Assert.Equal(recorded, Read(trace).Steps.Count);
        Assert.Equal(start == 50, output.ToString().Contains("--profile-start-step 50 is beyond the last decode step of this case, 6"));
    }

    [Fact]
    public void An_output_of_one_token_has_a_prefill_only()
    {
        OneBatchBenchmark.Run(Options() with { OutputLengths = [1] }, TextWriter.Null);
        Assert.Equal(["profile_batch2_input17_output1_prefill.trace.json.gz"], Traces);
    }

    [Fact]
    public void What_cannot_be_recorded_is_refused_by_name()
    {
        string message = Assert.ThrowsAny<BenchException>(() => OneBatchBenchmark.Run(
            Options(new BatchProfileOptions { Directory = _directory, Activities = ["CPU", "CUDA_PROFILER"] }), TextWriter.Null)).Message;
        Assert.Contains("--profile-activities", message);
        Assert.Contains("CUDA_PROFILER needs a GPU", message);
        File.WriteAllText(Path.Combine(_directory, "file"), "");
        message = Assert.ThrowsAny<BenchException>(() => OneBatchBenchmark.Run(Options(new BatchProfileOptions { Directory = Path.Combine(_directory, "file", "below") }), TextWriter.Null)).Message;
        Assert.Contains("--profile-output-dir (or SGLANG_TORCH_PROFILER_DIR): cannot make", message);
    }
}
