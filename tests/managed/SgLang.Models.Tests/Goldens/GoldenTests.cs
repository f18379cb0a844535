using SgLang.Core;
using SgLang.Runtime;

namespace SgLang.Models.Tests;

/// <summary>Every checkpoint against its recorded reference, in both compute modes and however its work is cut up.</summary>
public class GoldenTests(ITestOutputHelper output)
{
    public static TheoryData<string, ModelDType> Models
    {
        get
        {
            var data = new TheoryData<string, ModelDType>();
            foreach (string model in TestFiles.Checkpoints)
            {
                data.Add(model, ModelDType.Float32);
                data.Add(model, ModelDType.BFloat16);
            }
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void A_prompt_alone_gives_the_reference_logits_and_tokens(string model, ModelDType dtype) =>
        RunAlone(model, dtype, chunk: int.MaxValue, pageSize: 16, numThreads: 0);

    [Theory]
    [MemberData(nameof(Models))]
    public void Prefill_token_by_token_changes_nothing(string model, ModelDType dtype) => RunAlone(model, dtype, chunk: 1, pageSize: 16, numThreads: 1);

    [Theory]
    [MemberData(nameof(Models))]
    public void Prefill_in_chunks_of_7_with_pages_of_3_changes_nothing(string model, ModelDType dtype) => RunAlone(model, dtype, chunk: 7, pageSize: 3, numThreads: 2);

    [Theory]
    [MemberData(nameof(Models))]
    public void Prefill_in_chunks_of_64_with_pages_of_1_changes_nothing(string model, ModelDType dtype) => RunAlone(model, dtype, chunk: 64, pageSize: 1, numThreads: 0);

    [Theory]
    [MemberData(nameof(Models))]
    public void A_batch_of_32_mixing_prefill_and_decode_changes_nothing(string model, ModelDType dtype) => RunBatch(model, dtype, pageSize: 3, seed: 20261124);

    [Theory]
    [MemberData(nameof(Models))]
    public void A_batch_of_32_with_pages_of_16_changes_nothing(string model, ModelDType dtype) => RunBatch(model, dtype, pageSize: 16, seed: 7);

    private static Tolerance ToleranceOf(ModelDType dtype) => dtype == ModelDType.Float32 ? Tolerance.Float32 : Tolerance.BFloat16;

    /// <summary>
    /// Positions (of prompt and golden continuation) of each case where, in some layer, the last expert chosen and the first one not chosen are
    /// closer than <paramref name="margin"/> in the float32 router's logits. Empty sets for dense models and in float32.
    /// </summary>
    internal static IReadOnlyList<IReadOnlySet<int>> NearTies(DeviceContext device, string name, ModelDType dtype, double margin = 0.05)
    {
        IReadOnlyList<GoldenCase> cases = Golden.Load(name);
        using IModel model = ModelLoader.Load(device, TestFiles.Model(name), new ModelLoadOptions { DType = ModelDType.Float32 });
        var ties = new List<IReadOnlySet<int>>();
        int total = 0, tied = 0;
        foreach (GoldenCase golden in cases)
        {
            var observer = new RouterMargins(device, model.Config.NumExpertsPerToken, margin);
            ties.Add(observer.NearTies);
            if (dtype == ModelDType.Float32 || model.Config.NumExperts == 0) continue;
            using var runner = new StepRunner(device, model, pageSize: 16, maxTokens: 1024);
            runner.Context.Observer = observer;
            int[] tokens = [.. golden.InputIds, .. golden.GreedyIds];
            runner.Step([(new Sequence(tokens), tokens.Length)], allRows: false);
            total += tokens.Length;
            tied += observer.NearTies.Count;
        }
        // Else the comparison would be empty.
        Assert.True(tied <= total / 4, $"{name}: {tied} of {total} positions are near ties");
        return ties;
    }

    private sealed class RouterMargins(DeviceContext device, int expertsPerToken, double margin) : IModuleObserver
    {
        public HashSet<int> NearTies { get; } = [];

        public void Completed(string path, in Tensor output)
        {
            if (!path.EndsWith(".gate", StringComparison.Ordinal)) return;
            int experts = (int)output[1];
            var logits = new float[output.NumElements];
            device.Download(logits.AsSpan(), output);
            for (int row = 0; row < output.NumRows; row++)
            {
                float[] sorted = [.. logits[(row * experts)..((row + 1) * experts)].OrderDescending()];
                if (sorted[expertsPerToken - 1] - sorted[expertsPerToken] < margin) NearTies.Add(row);
            }
        }
    }

    private void RunAlone(string name, ModelDType dtype, int chunk, int pageSize, int numThreads)
    {
        IReadOnlyList<GoldenCase> cases = Golden.Load(name);
        using DeviceContext device = DeviceContext.Create(DeviceKind.Cpu, numThreads: numThreads);
        using IModel model = ModelLoader.Load(device, TestFiles.Model(name), new ModelLoadOptions { DType = dtype });
        using var runner = new StepRunner(device, model, pageSize, maxTokens: 1024);
        IReadOnlyList<IReadOnlySet<int>> nearTies = NearTies(device, name, dtype);
        for (int i = 0; i < cases.Count; i++)
        {
            GoldenCase golden = cases[i];
            var check = new GoldenCheck(golden, ToleranceOf(dtype), $"{name} case {i}", nearTies[i]);
            var sequence = new Sequence(golden.InputIds);
            int prompt = golden.InputIds.Length;
            float[] last = [];
            while (sequence.NumComputed < prompt)
            {
                int start = sequence.NumComputed;
                float[][] rows = runner.Step([(sequence, Math.Min(chunk, prompt - start))], allRows: true);
                for (int row = 0; row < rows.Length; row++) check.Prompt(start + row, rows[row]);
                last = rows[^1];
            }
            for (int token = 0; token < golden.GreedyIds.Length; token++)
            {
                check.Generated(token, last);
                sequence.Tokens.Add(golden.GreedyIds[token]);
                last = runner.Step([(sequence, 1)], allRows: false)[0];
            }
            output.WriteLine($"{name} case {i}: relative {check.WorstRelative:E2}, cosine {check.WorstCosine:F8}, log-probability {check.WorstLogprob:E2}");
            runner.Release(sequence);
        }
    }

    /// <summary>32 sequences, arriving four a step, prefilled in chunks of random size beside the decoding of others.</summary>
    private void RunBatch(string name, ModelDType dtype, int pageSize, int seed)
    {
        IReadOnlyList<GoldenCase> cases = Golden.Load(name);
        using DeviceContext device = DeviceContext.Create(DeviceKind.Cpu);
        using IModel model = ModelLoader.Load(device, TestFiles.Model(name), new ModelLoadOptions { DType = dtype });
        using var runner = new StepRunner(device, model, pageSize, maxTokens: 4096, seed: seed);
        var random = new Random(seed);
        IReadOnlyList<IReadOnlySet<int>> nearTies = NearTies(device, name, dtype);
        var running = new List<(Sequence Sequence, GoldenCase Golden, GoldenCheck Check)>();
        int arrived = 0, finished = 0;
        while (finished < 32)
        {
            for (int i = 0; i < 4 && arrived < 32; i++, arrived++)
            {
                int which = arrived % cases.Count;
                running.Add((new Sequence(cases[which].InputIds), cases[which],
                    new GoldenCheck(cases[which], ToleranceOf(dtype), $"{name} case {which}, sequence {arrived}, seed {seed}", nearTies[which])));
            }
            var work = new List<(Sequence, int)>();
            foreach ((Sequence sequence, GoldenCase golden, _) in running)
            {
                int left = golden.InputIds.Length - sequence.NumComputed;
                work.Add((sequence, left > 0 ? Math.Min(left, random.Next(1, 100)) : 1));
            }
            float[][] rows = runner.Step(work, allRows: true);
            int row = 0;
            for (int i = 0; i < work.Count; i++)
            {
                (Sequence sequence, GoldenCase golden, GoldenCheck check) = running[i];
                int start = sequence.NumComputed - work[i].Item2;
                for (int position = start; position < sequence.NumComputed; position++, row++)
                {
                    if (position < golden.InputIds.Length) check.Prompt(position, rows[row]);
                    int token = position - golden.InputIds.Length + 1;
                    if (token < 0 || token >= golden.GreedyIds.Length) continue;
                    check.Generated(token, rows[row]);
                    sequence.Tokens.Add(golden.GreedyIds[token]);
                }
            }
            for (int i = running.Count - 1; i >= 0; i--)
            {
                if (running[i].Sequence.NumComputed < running[i].Golden.InputIds.Length + running[i].Golden.GreedyIds.Length) continue;
                runner.Release(running[i].Sequence);
                running.RemoveAt(i);
                finished++;
            }
        }
    }
}
