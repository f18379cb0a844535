using System.Diagnostics;
using System.Globalization;
using SgLang.Core;
using SgLang.Profiling;

namespace SgLang.Engine.Tests.Profiling;

/// <summary>
/// What a window of host spans costs a decode step on the CPU backend: blocks of steps within a window and without one by turns, in one process, each
/// pair compared with itself. Run by hand: `SGLANG_COST_MODEL=135M SGLANG_COST_BATCH=8 ... --explicit only --filter-class "*WindowCost" --show-live-output on`;
/// `SGLANG_COST_MODEL=demo` for the demo model, `SGLANG_COST_STACKS=1` with call stacks.
/// </summary>
[Collection(WholeProcessCollection.Name)]
public sealed class WindowCost(ITestOutputHelper output) : IDisposable
{
    private const int NumBlocks = 200;
    private const int BlockSteps = 3;

    private readonly string _directory = TestDirectory.Create("sglang-window-cost");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    /// <summary>SmolLM2-135M's shape with random weights.</summary>
    private string Shape()
    {
        File.WriteAllText(Path.Combine(_directory, "config.json"), """
            {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16", "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
             "num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49152, "max_position_embeddings": 8192, "rms_norm_eps": 1e-05, "rope_theta": 100000.0,
             "hidden_act": "silu", "tie_word_embeddings": true, "bos_token_id": 1, "eos_token_id": 2}
            """);
        return _directory;
    }

    [Fact(Explicit = true)]
    public void Steps_by_turns()
    {
        string model = Environment.GetEnvironmentVariable("SGLANG_COST_MODEL") ?? "135M";
        int batch = int.Parse(Environment.GetEnvironmentVariable("SGLANG_COST_BATCH") ?? "1", CultureInfo.InvariantCulture);
        bool stacks = Environment.GetEnvironmentVariable("SGLANG_COST_STACKS") == "1";
        EngineOptions options = model == "demo"
            ? TestModels.DemoOptions with { MaxTotalTokens = 32768 }
            : TestModels.DemoOptions with { ModelPath = Shape(), LoadFormat = LoadFormat.Dummy, SkipTokenizerInit = true, DType = ModelDType.BFloat16, MaxTotalTokens = 32768 };
        int steps = 2 * NumBlocks * (BlockSteps + 1) + 20;
        using StaticBatch run = StaticBatch.Load(options, batch, 64 * batch);
        run.Begin([.. Enumerable.Range(0, batch).Select(i => Enumerable.Range(0, 64).Select(j => (7 * i + 13 * j) % 4000 + 10).ToArray())], steps);
        run.Prefill();
        for (int i = 0; i < 20; i++) run.Decode();
        double[] off = new double[NumBlocks], ratios = new double[NumBlocks];
        for (int block = 0; block < NumBlocks; block++)
        {
            // Which comes first takes turns, since steps grow with their context.
            bool offFirst = block % 2 == 0;
            double first = Block(offFirst), second = Block(!offFirst);
            (off[block], double on) = offFirst ? (first, second) : (second, first);
            ratios[block] = on / off[block] - 1;
        }
        Array.Sort(ratios);
        Array.Sort(off);
        output.WriteLine($"{model}, batch {batch}{(stacks ? ", with stacks" : "")}: step {off[NumBlocks / 2] * 1e3:0.000} ms, in a window {ratios[NumBlocks / 2]:+0.00%;-0.00%} (quartiles {ratios[NumBlocks / 4]:+0.00%;-0.00%} to {ratios[3 * NumBlocks / 4]:+0.00%;-0.00%})");

        double Block(bool isOff)
        {
            if (!isOff)
                Assert.Null(run.Profiler.Start(new ProfileOptions { OutputDirectory = _directory, Id = "c", Activities = ["CPU"], WithStack = stacks }));
            // The first step of a window begins it.
            run.Decode();
            double[] seconds = new double[BlockSteps];
            for (int i = 0; i < BlockSteps; i++)
            {
                long start = Stopwatch.GetTimestamp();
                run.Decode();
                seconds[i] = Stopwatch.GetElapsedTime(start).TotalSeconds;
            }
            if (!isOff) run.Profiler.Cancel()!.GetAwaiter().GetResult();
            Array.Sort(seconds);
            return seconds[BlockSteps / 2];
        }
    }
}
