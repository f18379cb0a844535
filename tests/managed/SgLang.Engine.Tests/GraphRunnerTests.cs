using SgLang.Core;
using SgLang.Models;
using SgLang.Runtime;
using SgLang.Scheduling;

namespace SgLang.Engine.Tests;

/// <summary>
/// Replayed decode steps against the reference's tokens, with a recorder that records calls instead of kernels, so that the CPU backend can
/// replay: padding, addresses and the order of a step's parts are those of a GPU.
/// </summary>
public sealed class GraphRunnerTests
{
    private static readonly int[] s_sizes = [1, 2, 4, 7];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    [InlineData(7)]
    [InlineData(9)]
    public void Replayed_tokens_are_the_references(int batch)
    {
        CallRecorder recorder = new();
        using ModelRunner runner = Load(recorder, maxRequests: 9, maxTokens: 2048);
        int[][] outputs = Generate(runner, batch, Goldens(batch).Min(golden => golden.GreedyIds.Length), ahead: 0);
        for (int i = 0; i < batch; i++)
        {
            TestModels.Golden golden = Goldens(batch)[i];
            TestModels.AssertGreedy(golden with { GreedyIds = golden.GreedyIds[..outputs[i].Length] }, outputs[i]);
        }
        int size = s_sizes.FirstOrDefault(s => s >= batch);
        Assert.Equal([7, 4, 2, 1], recorder.Recorded);
        // A batch above all sizes runs eagerly.
        Assert.Equal(size == 0 ? [] : [size], recorder.Launched.Distinct());
        if (size > 0) Assert.Equal(outputs[0].Length - 1, recorder.Launched.Count);
    }

    [Fact]
    public void A_step_queued_before_the_result_of_the_last_draws_the_same()
    {
        // Penalties depend on the ids of the step before, which the host learns late.
        SamplingParams sampling = new() { Temperature = 0.9, FrequencyPenalty = 0.4, RepetitionPenalty = 1.2, IgnoreEos = true };
        int[][][] outputs = new int[4][][];
        for (int i = 0; i < outputs.Length; i++)
        {
            using ModelRunner runner = Load(i % 2 == 0 ? null : new CallRecorder(), maxRequests: 9, maxTokens: 2048);
            outputs[i] = Generate(runner, batch: 5, length: 12, ahead: i / 2, sampling);
        }
        foreach (int[][] output in outputs[1..])
            for (int row = 0; row < output.Length; row++) Assert.Equal(outputs[0][row], output[row]);
    }

    [Fact]
    public void Prefill_and_mixed_steps_are_not_replayed()
    {
        CallRecorder recorder = new();
        using ModelRunner runner = Load(recorder, maxRequests: 4, maxTokens: 256);
        StaticBatchPlanner planner = new(64, 16, 4);
        planner.Begin([Row([5], 0, new SamplingParams { Temperature = 0 })], 2);
        StepOutcome outcome = new(4);
        // A prompt of one token has the shape of a decode step.
        StepPlan plan = planner.Extend(int.MaxValue);
        runner.Launch(plan, outcome);
        runner.Complete(plan, outcome);
        Assert.Empty(recorder.Launched);
    }

    private static TestModels.Golden[] Goldens(int batch) => [.. Enumerable.Range(0, batch).Select(i => TestModels.DemoGoldens[i % TestModels.DemoGoldens.Count])];

    private static Request Row(int[] prompt, int row, SamplingParams sampling) => new($"row-{row}", prompt, sampling) { Owner = new Seeded((ulong)row + 7) };

    /// <param name="ahead">Steps queued beyond the one whose result is waited for.</param>
    private static int[][] Generate(ModelRunner runner, int batch, int length, int ahead, SamplingParams? sampling = null)
    {
        StaticBatchPlanner planner = new(1000, 16, 9);
        Request[] rows = [.. Goldens(batch).Select((golden, i) => Row(golden.InputIds, i, sampling ?? new SamplingParams { Temperature = 0, IgnoreEos = true }))];
        planner.Begin(rows, length);
        StepOutcome[] outcomes = [new(9, 0), new(9, 1)];
        StepPlan[] plans = new StepPlan[2];
        List<int>[] outputs = [.. rows.Select(_ => new List<int>())];
        int launched = 0;
        for (int done = 0; done < length; done++)
        {
            for (; launched < length && launched <= done + ahead; launched++)
            {
                StepPlan plan = plans[launched & 1] = launched == 0 ? planner.Extend(int.MaxValue) : planner.Decode();
                outcomes[launched & 1].Clear();
                runner.Launch(plan, outcomes[launched & 1]);
            }
            StepPlan oldest = plans[done & 1];
            runner.Complete(oldest, outcomes[done & 1]);
            for (int i = 0; i < batch; i++) outputs[i].Add(outcomes[done & 1].Ids(oldest)[i]);
        }
        return [.. outputs.Select(ids => ids.ToArray())];
    }

    private static ModelRunner Load(CallRecorder? recorder, int maxRequests, int maxTokens)
    {
        EngineOptions options = TestModels.DemoOptions;
        DeviceContext device = DeviceContext.Create(DeviceKind.Cpu, numThreads: 1);
        ModelConfig config = ModelConfig.Load(options.ModelPath, "{}");
        IModel model = ModelLoader.Load(device, options.ModelPath, config, new ModelLoadOptions { DType = ModelDType.Float32, MaxPositions = 1024 });
        EngineProfiler profiler = new();
        ModelRunner runner = new(device, model, 1001, 16, new StepLimits(maxTokens, maxRequests), new RankTrace(profiler, device, model));
        if (recorder is not null)
            runner.CaptureGraphs(GraphBatchSizes.For(options with { CudaGraphBatchSizes = s_sizes }, 1L << 40, maxRequests), null, recorder);
        return runner;
    }

    private sealed class Seeded(ulong seed) : ISampledRequest
    {
        public ulong Seed => seed;
        public int[] StopTokenIds => [];
    }
}
