using System.Diagnostics;
using System.Globalization;
using SgLang.Core;
using SgLang.Profiling;

namespace SgLang.Engine.Tests.Profiling;

/// <summary>
/// What a window of host spans costs a decode step on the CPU backend: blocks of steps within a window and without one by turns, in one process, each
/// pair compared with itself. The median step has the spans' cost, the mean one the collector's too, and whatever else the machine did. Run by hand: `SGLANG_COST_MODEL=135M SGLANG_COST_BATCH=8 ... --explicit only --filter-class "*WindowCost" --show-live-output on`;
/// `SGLANG_COST_MODEL=demo` for the demo model, `SGLANG_COST_STACKS=1` with call stacks.
/// </summary>
[Collection(WholeProcessCollection.Name)]
public sealed class WindowCost(ITestOutputHelper output) : IDisposable
{
    private const int NumBlocks = 45;

    /// <summary>Long enough that the collector's sweeps, which are part of the cost, fall into each block.</summary>
    private const double BlockSeconds = 0.08;

    private const int MaxSteps = 1900;

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
        using StaticBatch run = StaticBatch.Load(options, batch, 64 * batch);
        run.Begin([.. Enumerable.Range(0, batch).Select(i => Enumerable.Range(0, 64).Select(j => (7 * i + 13 * j) % 4000 + 10).ToArray())], MaxSteps);
        run.Prefill();
        for (int i = 0; i < 20; i++) run.Decode();
        long began = Stopwatch.GetTimestamp();
        for (int i = 0; i < 10; i++) run.Decode();
        int blockSteps = Math.Clamp((int)(BlockSeconds / (Stopwatch.GetElapsedTime(began).TotalSeconds / 10)), 3, (MaxSteps - 40) / (2 * NumBlocks) - 1);
        double[] off = new double[NumBlocks], ofMeans = new double[NumBlocks], ofMedians = new double[NumBlocks];
        for (int block = 0; block < NumBlocks; block++)
        {
            // Which comes first takes turns, since steps grow with their context.
            bool offFirst = block % 2 == 0;
            (double Mean, double Median) first = Block(offFirst), second = Block(!offFirst);
            ((double Mean, double Median) without, (double Mean, double Median) within) = offFirst ? (first, second) : (second, first);
            off[block] = without.Median;
            ofMeans[block] = within.Mean / without.Mean - 1;
            ofMedians[block] = within.Median / without.Median - 1;
        }
        Array.Sort(off);
        output.WriteLine($"{model}, batch {batch}{(stacks ? ", with stacks" : "")}: step {off[NumBlocks / 2] * 1e3:0.000} ms; in a window, median step {Show(ofMedians)}, mean step {Show(ofMeans)}");

        static string Show(double[] ratios)
        {
            Array.Sort(ratios);
            return $"{ratios[NumBlocks / 2]:+0.00%;-0.00%} (quartiles {ratios[NumBlocks / 4]:+0.00%;-0.00%} to {ratios[3 * NumBlocks / 4]:+0.00%;-0.00%})";
        }

        (double Mean, double Median) Block(bool isOff)
        {
            if (!isOff)
                Assert.Null(run.Profiler.Start(new ProfileOptions { OutputDirectory = _directory, Id = "c", Activities = ["CPU"], WithStack = stacks }));
            // The first step of a window begins it.
            run.Decode();
            double[] seconds = new double[blockSteps];
            for (int i = 0; i < blockSteps; i++)
            {
                long start = Stopwatch.GetTimestamp();
                run.Decode();
                seconds[i] = Stopwatch.GetElapsedTime(start).TotalSeconds;
            }
            if (!isOff) run.Profiler.Cancel()!.GetAwaiter().GetResult();
            Array.Sort(seconds);
            return (seconds.Average(), seconds[blockSteps / 2]);
        }
    }
}
