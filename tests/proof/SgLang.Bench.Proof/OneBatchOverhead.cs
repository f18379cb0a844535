using System.Globalization;
using SgLang.Bench.Statistics;
using SgLang.Core;
using SgLang.Engine;

namespace SgLang.Bench.Proof;

/// <summary>
/// What bench-one-batch adds to a decode step: the step by the host's clock, as it reports it, less the time between the engine's taking the step's
/// plan and its result. A model of one small layer makes steps short, so that little else disturbs them.
/// </summary>
internal static class OneBatchOverhead
{
    private const int Input = 64, Steps = 1000;
    private const double Limit = 20;

    /// <returns>Whether the 99th percentile is below the limit at every batch.</returns>
    public static bool Measure()
    {
        string directory = Directory.CreateTempSubdirectory("sgl-proof").FullName;
        try
        {
            File.WriteAllText(Path.Combine(directory, "config.json"), """
                {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "float32", "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1,
                 "num_attention_heads": 1, "num_key_value_heads": 1, "vocab_size": 256, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu"}
                """);
            EngineOptions options = new() { ModelPath = directory, LoadFormat = LoadFormat.Dummy, SkipTokenizerInit = true, Device = DeviceKind.Cpu, NumThreads = 1, MaxTotalTokens = 300_000 };
            int[] batches = [1, 32, 256];
            bool isKept = true;
            using StaticBatch model = StaticBatch.Load(options, batches.Max(), batches.Max() * Input);
            foreach (int batch in batches)
            {
                // The first round compiles.
                double[] own = [];
                for (int round = 0; round < 2; round++) own = Run(model, batch);
                Summary s = Summary.Of(own);
                isKept &= s.P99 < Limit;
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"bench-one-batch, batch {batch,3}: own time of a decode step      p50 {s.Median,9:F2} us  p99 {s.P99,9:F2} us  of {Steps} steps, p99 {(s.P99 < Limit ? "below" : "NOT BELOW")} {Limit} us"));
            }
            return isKept;
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    /// <summary>Microseconds of each step.</summary>
    private static double[] Run(StaticBatch model, int batch)
    {
        model.Begin([.. Enumerable.Range(0, batch).Select(row => Enumerable.Range(row, Input).Select(i => i % 256).ToArray())], Steps + 1);
        model.Prefill();
        double[] host = new double[Steps], engine = new double[Steps];
        model.Decode(host, engine);
        return [.. host.Zip(engine, (all, inside) => 1e6 * (all - inside))];
    }
}
