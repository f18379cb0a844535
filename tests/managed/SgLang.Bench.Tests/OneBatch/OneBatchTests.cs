using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.RegularExpressions;
using SgLang.Bench.OneBatch;
using SgLang.Core;
using SgLang.Engine;
using SgLang.Models.Weights;

namespace SgLang.Bench.Tests.OneBatch;

/// <summary>bench-one-batch end to end on the demo model.</summary>
public class OneBatchTests
{
    private static float Largest(ReadOnlySpan<float> values)
    {
        float largest = float.NegativeInfinity;
        foreach (float value in values) largest = Math.Max(largest, value);
        return largest;
    }

    private static OneBatchOptions Options(string result = "") => new() { Engine = DemoModel.Options, BatchSizes = [2], InputLengths = [17], OutputLengths = [4], ResultFile = result };

    [Fact]
    public void It_prints_the_specification_s_lines_and_appends_one_result_a_case()
    {
        string file = DemoModel.ResultFile();
        var output = new StringWriter();
        IReadOnlyList<OneBatchResult> results = OneBatchBenchmark.Run(Options(file) with { BatchSizes = [1, 3], OutputLengths = [1, 3] }, output);
        Assert.Equal([(1, 1), (1, 3), (3, 1), (3, 3)], results.Select(r => (r.BatchSize, r.OutputLength)));
        string[] lines = output.ToString().ReplaceLineEndings("\n").TrimEnd('\n').Split('\n');
        Assert.Equal("max_total_num_tokens=8192", lines[0]);
        Assert.Equal("Warmup ...", lines[1]);
        int start = Array.IndexOf(lines, "Benchmark ...");
        string[] last = lines[^7..];
        Assert.Matches(@"^Prefill\. latency: \d+\.\d{5} s, throughput: +\d+\.\d\d token/s$", last[0]);
        Assert.Matches(@"^Decode 0\. Batch size: 3, latency: \d+\.\d{5} s, throughput: +\d+\.\d\d token/s$", last[1]);
        Assert.Matches(@"^Decode 1\. Batch size: 3, ", last[2]);
        Assert.Matches(@"^Decode\.  median latency: \d+\.\d{5} s, median throughput: +\d+\.\d\d token/s$", last[3]);
        Assert.Matches(@"^Total\. latency: +\d+\.\d{3} s, throughput: +\d+\.\d\d token/s$", last[4]);
        Assert.Matches(@"^Prefill on the device\. latency: \d+\.\d{5} s, +\d+\.\d{3} TFLOP/s, +\d+\.\d GB/s$", last[5]);
        Assert.Matches(@"^Decode  on the device\. latency: \d+\.\d{5} s, +\d+\.\d{3} TFLOP/s, +\d+\.\d GB/s$", last[6]);
        // Output 1 has no decode step and no median.
        Assert.StartsWith("Prefill.", lines[start + 1]);
        Assert.StartsWith("Total.", lines[start + 2]);

        JsonElement[] written = DemoModel.Lines(file);
        Assert.Equal(4, written.Length);
        Assert.False(written[0].TryGetProperty("median_decode_latency", out _));
        JsonElement line = written[3];
        Assert.Equal(["run_name", "batch_size", "input_len", "output_len", "prefill_latency", "prefill_throughput", "median_decode_latency", "median_decode_throughput", "total_latency", "overall_throughput"],
            line.EnumerateObject().Take(10).Select(p => p.Name));
        Assert.Equal(3 * 17 / line.GetProperty("prefill_latency").GetDouble(), line.GetProperty("prefill_throughput").GetDouble(), 6);
        Assert.Equal(3 * (17 + 3) / line.GetProperty("total_latency").GetDouble(), line.GetProperty("overall_throughput").GetDouble(), 6);
        Assert.Equal(results[3].PrefillLatency + results[3].DecodeLatencies.Sum(), line.GetProperty("total_latency").GetDouble(), 9);
        Assert.Equal(DemoModel.ModelPath, line.GetProperty("engine").GetProperty("model_path").GetString());
    }

    [Theory]
    [InlineData(1, 33, 5)]
    [InlineData(3, 17, 9)]
    public void Work_is_that_of_the_model_s_shapes(int batch, int input, int output)
    {
        string file = DemoModel.ResultFile();
        OneBatchResult result = OneBatchBenchmark.Run(Options(file) with { BatchSizes = [batch], InputLengths = [input], OutputLengths = [output] }, TextWriter.Null).Single();
        JsonElement config = JsonDocument.Parse(File.ReadAllText(Path.Combine(DemoModel.ModelPath, "config.json"))).RootElement;
        long Size(string name) => config.GetProperty(name).GetInt64();
        long hidden = Size("hidden_size"), heads = Size("num_attention_heads"), layers = Size("num_hidden_layers"), kv = Size("num_key_value_heads"), dim = hidden / heads;
        long perLayer = hidden * (heads + 2 * kv) * dim + heads * dim * hidden + 3 * hidden * Size("intermediate_size"), head = hidden * Size("vocab_size");
        int steps = output - 1;
        // Token i of a prompt sees i + 1 keys; decode step s, from 0, sees input + s + 1.
        double pairsOfPrompts = batch * input * (input + 1) / 2.0, pairsOfSteps = batch * Enumerable.Range(input + 1, steps).Sum(keys => (double)keys);
        double prefill = 2.0 * batch * (input * layers * perLayer + head) + 4.0 * layers * heads * dim * pairsOfPrompts;
        double decode = 2.0 * batch * steps * (layers * perLayer + head) + 4.0 * layers * heads * dim * pairsOfSteps;
        const double Float32 = 4;
        double weights = Float32 * (layers * perLayer + head), cache = Float32 * 2 * layers * kv * dim * pairsOfSteps;
        // Norms, activations and rotations are the rest.
        Assert.InRange(result.PrefillWork.Flops, prefill, 1.05 * prefill);
        Assert.InRange(result.DecodeWork.Flops, decode, 1.05 * decode);
        Assert.InRange(result.DecodeWork.Bytes, steps * weights + cache, 1.05 * (steps * weights + cache));

        JsonElement line = DemoModel.Lines(file).Single();
        double Value(string name) => line.GetProperty(name).GetDouble();
        Assert.Equal(result.DecodeWork.Flops / result.DecodeWork.DeviceSeconds, Value("decode_flops_per_second"), 1.0);
        Assert.Equal(result.PrefillWork.Bytes / Value("prefill_device_latency"), Value("prefill_bytes_per_second"), 1.0);
        Assert.True(Value("prefill_device_latency") <= Value("prefill_latency"));
        Assert.True(Value("median_decode_device_latency") <= Value("median_decode_latency"));
        Assert.Equal(JsonValueKind.Null, line.GetProperty("peak_device_memory_bytes").ValueKind);
    }

    [Fact]
    public void Every_nth_step_is_printed_on_request()
    {
        var output = new StringWriter();
        OneBatchBenchmark.Run(Options() with { OutputLengths = [9], LogDecodeStep = 7 }, output);
        string measured = output.ToString().Split("Benchmark ...")[1];
        Assert.Equal(["0", "1", "2", "3", "4", "7"], Regex.Matches(measured, @"Decode (\d+)\.").Select(m => m.Groups[1].Value));
    }

    [Fact]
    public void A_case_that_does_not_fit_the_pool_is_skipped_and_said()
    {
        var output = new StringWriter();
        IReadOnlyList<OneBatchResult> results = OneBatchBenchmark.Run(
            Options() with { Engine = DemoModel.Options with { MaxTotalTokens = 128 }, BatchSizes = [1, 4], InputLengths = [60], OutputLengths = [4] }, output);
        Assert.Equal([1], results.Select(r => r.BatchSize));
        Assert.Contains("skipping (4, 60, 4) due to max batch size limit", output.ToString());
    }

    [Fact]
    public void Prompts_of_a_file_are_padded_or_cut_to_the_batch_and_counted_as_they_are()
    {
        string file = DemoModel.ResultFile();
        File.WriteAllLines(file, ["My fellow Americans, we meet", "The state of the Union"]);
        var output = new StringWriter();
        IReadOnlyList<OneBatchResult> results = OneBatchBenchmark.Run(Options() with { PromptFile = file, BatchSizes = [1, 3] }, output);
        Assert.Contains("Custom input size (2) is larger than batch_size (1). Using the first 1 prompts.", output.ToString());
        Assert.Contains("Custom input size (2) is smaller than batch_size (3). Pad to the desired batch_size with the last prompt.", output.ToString());
        Assert.NotEqual(17, results[0].PromptTokens);

        OneBatchBenchmark.Run(Options() with { PromptFile = "nowhere.txt" }, output);
        Assert.Contains("Custom prompt file nowhere.txt not found. Using default inputs...", output.ToString());
    }

    [Fact]
    public void Dummy_weights_and_an_override_need_config_json_only()
    {
        string directory = Path.GetDirectoryName(DemoModel.ResultFile())!;
        File.Copy(Path.Combine(DemoModel.ModelPath, "config.json"), Path.Combine(directory, "config.json"));
        string file = Path.Combine(directory, "r.jsonl");
        EngineOptions dummy = DemoModel.Options with { ModelPath = directory, LoadFormat = LoadFormat.Dummy };
        OneBatchBenchmark.Run(Options(file) with { Engine = dummy }, TextWriter.Null);
        OneBatchBenchmark.Run(Options(file) with { Engine = dummy with { JsonModelOverrideArgs = """{"num_hidden_layers": 1, "num_key_value_heads": 1}""" } }, TextWriter.Null);
        JsonElement[] lines = DemoModel.Lines(file);
        long Bytes(int i) => lines[i].GetProperty("engine").GetProperty("kv_cache_bytes").GetInt64();
        // 6 layers of 2 KV heads became 1 of 1.
        Assert.Equal(Bytes(0), 12 * Bytes(1));
    }

    [Fact]
    public void A_prefill_in_two_parts_gives_the_logits_of_a_whole_one()
    {
        int[][] prompts = [[5, 9, 1000, 77, 4, 31, 8], [2000, 3, 12, 90, 511]];
        using StaticBatch model = StaticBatch.Load(DemoModel.Options, 2, 64);
        model.Begin(prompts, 3);
        float[][] whole = model.PrefillLogits();
        int[] afterWhole = model.Decode().ToArray();
        model.Begin(prompts, 3);
        model.PrefillLogits(4);
        float[][] inParts = model.PrefillLogits();
        int[] afterParts = model.Decode().ToArray();
        for (int row = 0; row < 2; row++)
        {
            Assert.Equal(model.Info.VocabularySize, whole[row].Length);
            double worst = whole[row].Zip(inParts[row], (a, b) => Math.Abs(a - b)).Max();
            Assert.True(worst < 1e-3, $"row {row}: logits differ by {worst.ToString(CultureInfo.InvariantCulture)}");
        }
        Assert.Equal(afterWhole, afterParts);
    }

    [Theory]
    [InlineData(2, 1)]
    [InlineData(1, 2)]
    [InlineData(2, 2)]
    public void Ranks_give_the_tokens_and_logits_of_one(int tp, int pp)
    {
        string file = DemoModel.ResultFile();
        OneBatchOptions one = Options() with { OutputLengths = [9] };
        IReadOnlyList<string> alone = CorrectnessTest.Run(one with { SaveReference = file }, TextWriter.Null);
        EngineOptions ranks = DemoModel.Options with { TpSize = tp, PpSize = pp };
        var output = new StringWriter();
        Assert.Equal(alone, CorrectnessTest.Run(one with { Engine = ranks, Reference = file, ReferenceTolerance = 1e-3 }, output));
        Assert.Contains("Equal to ", output.ToString());

        // What is measured of them: the work of all ranks is that of the model, but for norms, which every rank of a stage computes, and for the draw, which
        // tensor ranks make of parts of the logits.
        OneBatchResult measured = OneBatchBenchmark.Run(Options() with { Engine = ranks }, TextWriter.Null).Single();
        OneBatchResult reference = OneBatchBenchmark.Run(Options(), TextWriter.Null).Single();
        Assert.InRange(measured.DecodeWork.Flops, 0.99 * reference.DecodeWork.Flops, 1.1 * reference.DecodeWork.Flops);
        Assert.All(measured.DecodeLatencies, seconds => Assert.True(seconds > 0));
        Assert.True(measured.DeviceDecode.Median > 0);
    }

    [Fact]
    public void Replicas_and_nodes_are_refused_by_name()
    {
        Assert.Contains("leave --dp-size at 1, got 2", Refusal(DemoModel.Options with { DpSize = 2 }));
        Assert.Contains("leave --nnodes at 1, got 2", Refusal(DemoModel.Options with { PpSize = 2, NumNodes = 2, DistInitAddress = "127.0.0.1:1" }));

        static string Refusal(EngineOptions engine) => Assert.Throws<EngineStartException>(() => OneBatchBenchmark.Run(Options() with { Engine = engine }, TextWriter.Null)).Message;
    }

    [Fact]
    public async Task The_correctness_test_continues_as_the_engine_does()
    {
        var output = new StringWriter();
        IReadOnlyList<string> texts = CorrectnessTest.Run(Options() with { OutputLengths = [8] }, output);
        Assert.Contains("input_ids=[[", output.ToString());
        Assert.Contains("prefill logits (first half): [[", output.ToString());
        Assert.Contains("prefill logits (final): [[", output.ToString());
        Assert.Contains("========== Prompt 2 ==========", output.ToString());
        await using InferenceEngine engine = InferenceEngine.Start(DemoModel.Options);
        int[] prompt = engine.Tokenizer!.Encode("The capital of France is", addSpecialTokens: true);
        await using Generation generation = engine.Submit(new GenerationRequest
        {
            Rid = "r", InputIds = prompt, Sampling = new SamplingParams { Temperature = 0, MaxNewTokens = 8, IgnoreEos = true },
        });
        List<int> ids = [.. prompt];
        while (await generation.ReadAsync() is { } chunk) ids.AddRange(chunk.TokenIds);
        Assert.Equal(engine.Tokenizer.Decode([.. ids], skipSpecialTokens: false), texts[0]);
    }

    [Fact]
    public void A_stored_reference_is_met_by_the_same_model_and_missed_by_another()
    {
        string file = DemoModel.ResultFile();
        var output = new StringWriter();
        CorrectnessTest.Run(Options() with { OutputLengths = [6], SaveReference = file }, output);
        CorrectnessTest.Run(Options() with { OutputLengths = [6], Reference = file, CutLength = 0 }, output);
        Assert.Contains($"Equal to {file}: the largest difference of a logit is", output.ToString());

        EngineOptions other = DemoModel.Options with { JsonModelOverrideArgs = """{"rope_theta": 123.0}""" };
        string message = Assert.ThrowsAny<BenchException>(() => CorrectnessTest.Run(Options() with { Engine = other, OutputLengths = [6], Reference = file }, TextWriter.Null)).Message;
        Assert.Contains("the result differs from", message);
        Assert.Matches(@"prompt 0, token \d+: logit -?\d+\.\d{4}, reference ", message);
        File.WriteAllText(file, "{}");
        Assert.Contains("was not written by --save-reference", Assert.ThrowsAny<BenchException>(() => CorrectnessTest.Run(Options() with { Reference = file }, TextWriter.Null)).Message);
    }

    [Fact]
    public void Logits_of_every_step_are_stored_and_their_largest_are_the_tokens()
    {
        string folder = Path.GetDirectoryName(DemoModel.ResultFile())!, prompts = Path.Combine(folder, "ids.txt"), file = Path.Combine(folder, "logits.safetensors");
        File.WriteAllLines(prompts, ["5 9 1000 77 4 31 8", "2000, 3, 12, 90, 511"]);
        OneBatchOptions options = Options() with { Engine = DemoModel.Options with { SkipTokenizerInit = true }, PromptFile = prompts, SaveLogits = file, OutputLengths = [5] };
        IReadOnlyList<string> texts = CorrectnessTest.Run(options, TextWriter.Null);

        IReadOnlyDictionary<string, SafetensorsEntry> header = SafetensorsHeader.Read(file);
        byte[] bytes = File.ReadAllBytes(file);
        SafetensorsEntry logits = header["logits"], ids = header["output_ids"], first = header["first"];
        int vocabulary = (int)logits.Shape[2];
        Assert.Equal([5, 2, vocabulary], logits.Shape);
        Assert.Equal([2, vocabulary], first.Shape);
        Assert.Equal([2, 5], ids.Shape);
        ReadOnlySpan<float> values = MemoryMarshal.Cast<byte, float>(bytes.AsSpan((int)logits.Begin, (int)logits.NumBytes));
        ReadOnlySpan<int> drawn = MemoryMarshal.Cast<byte, int>(bytes.AsSpan((int)ids.Begin, (int)ids.NumBytes));
        for (int step = 0; step < 5; step++)
        {
            for (int row = 0; row < 2; row++)
            {
                ReadOnlySpan<float> one = values.Slice(((step * 2) + row) * vocabulary, vocabulary);
                Assert.Equal(one.IndexOf(Largest(one)), drawn[(row * 5) + step]);
            }
        }
        Assert.Equal($"5 9 1000 77 4 31 8 {string.Join(' ', drawn[..5].ToArray())}", texts[0]);

        File.WriteAllLines(prompts, ["5 nine"]);
        Assert.Contains("'nine' in line 1 is no token id", Assert.ThrowsAny<BenchException>(() => CorrectnessTest.Run(options, TextWriter.Null)).Message);
        Assert.Contains("give token ids in --prompt-filename", Assert.ThrowsAny<BenchException>(() => CorrectnessTest.Run(options with { PromptFile = "" }, TextWriter.Null)).Message);
    }

    [Fact]
    public void A_cut_longer_than_a_prompt_is_refused()
    {
        BenchException error = Assert.ThrowsAny<BenchException>(() => CorrectnessTest.Run(Options() with { CutLength = 100 }, TextWriter.Null));
        Assert.Contains("--cut-len must be less than the tokens of every prompt", error.Message);
    }
}
