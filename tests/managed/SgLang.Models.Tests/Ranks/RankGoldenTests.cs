using System.Collections.Concurrent;
using SgLang.Core;
using SgLang.Runtime;

namespace SgLang.Models.Tests.Ranks;

/// <summary>Every checkpoint cut over ranks gives the reference's logits and tokens: in float32 within 1e-4 of the largest logit.</summary>
public sealed class RankGoldenTests(ITestOutputHelper output)
{
    private static readonly Tolerance s_float32 = Tolerance.Float32 with { Relative = 1e-4 };

    /// <summary>Model, type, tp, pp, ep.</summary>
    public static TheoryData<string, ModelDType, int, int, int> Layouts
    {
        get
        {
            var data = new TheoryData<string, ModelDType, int, int, int>();
            foreach (string model in TestFiles.Checkpoints)
            {
                // The demo model has four heads too, but six layers to run.
                foreach ((int tp, int pp) in (ReadOnlySpan<(int, int)>)[(2, 1), (4, 1), (1, 2), (2, 2)]) data.Add(model, ModelDType.Float32, tp, pp, 1);
                data.Add(model, ModelDType.BFloat16, 2, 1, 1);
                data.Add(model, ModelDType.BFloat16, 4, 2, 1);
            }
            foreach (string model in (ReadOnlySpan<string>)["mixtral", "qwen3-moe"])
            {
                data.Add(model, ModelDType.Float32, 2, 1, 2);
                data.Add(model, ModelDType.Float32, 4, 1, 2);
                data.Add(model, ModelDType.Float32, 4, 1, 4);
                data.Add(model, ModelDType.Float32, 2, 2, 2);
                data.Add(model, ModelDType.BFloat16, 4, 1, 4);
            }
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Layouts))]
    public void Ranks_together_give_the_reference_logits_and_tokens(string model, ModelDType dtype, int tp, int pp, int ep) =>
        Check(model, dtype, RankPlace.All(tp, pp, ep), ExpertExchangeMode.Never);

    /// <summary>Prompts of many tokens and steps of one, of which all ranks but the first have none.</summary>
    [Theory]
    [InlineData("mixtral", ModelDType.Float32, 2, 1, 2)]
    [InlineData("mixtral", ModelDType.Float32, 4, 1, 4)]
    [InlineData("mixtral", ModelDType.Float32, 4, 1, 2)]
    [InlineData("mixtral", ModelDType.BFloat16, 4, 1, 4)]
    [InlineData("qwen3-moe", ModelDType.Float32, 2, 1, 2)]
    [InlineData("qwen3-moe", ModelDType.Float32, 4, 1, 4)]
    [InlineData("qwen3-moe", ModelDType.Float32, 4, 1, 2)]
    [InlineData("qwen3-moe", ModelDType.Float32, 2, 2, 2)]
    [InlineData("qwen3-moe", ModelDType.BFloat16, 2, 1, 2)]
    [InlineData("qwen3-moe", ModelDType.BFloat16, 4, 1, 2)]
    public void Ranks_that_exchange_tokens_give_the_reference_logits_and_tokens(string model, ModelDType dtype, int tp, int pp, int ep) =>
        Check(model, dtype, RankPlace.All(tp, pp, ep), ExpertExchangeMode.Always);

    private void Check(string model, ModelDType dtype, RankPlace[] places, ExpertExchangeMode exchange)
    {
        IReadOnlyList<GoldenCase> cases = Golden.Load(model);
        Tolerance tolerance = dtype == ModelDType.Float32 ? s_float32 : Tolerance.BFloat16;
        IReadOnlyList<IReadOnlySet<int>> nearTies;
        using (DeviceContext device = DeviceContext.Create(DeviceKind.Cpu)) nearTies = GoldenTests.NearTies(device, model, dtype);
        ConcurrentBag<(double Relative, double Cosine)> worst = [];
        ConcurrentBag<(long Sent, long Received)> rows = [];
        RankThreads.Run(places, (device, ranks) =>
        {
            using IModel part = ModelLoader.Load(device, TestFiles.Model(model), new ModelLoadOptions { DType = dtype, Place = ranks.Place, ExpertExchange = exchange });
            using var runner = new StepRunner(device, part, pageSize: 16, maxTokens: 1024, ranks: ranks);
            for (int i = 0; i < cases.Count; i++)
            {
                GoldenCase golden = cases[i];
                var check = new GoldenCheck(golden, tolerance, $"{model} case {i} on {ranks.Place}", nearTies[i]);
                var sequence = new Sequence(golden.InputIds);
                float[][] logits = runner.Step([(sequence, golden.InputIds.Length)], allRows: true);
                for (int row = 0; row < logits.Length; row++) check.Prompt(row, logits[row]);
                for (int token = 0; token < golden.GreedyIds.Length; token++)
                {
                    if (logits.Length > 0) check.Generated(token, logits[^1]);
                    sequence.Tokens.Add(golden.GreedyIds[token]);
                    logits = runner.Step([(sequence, 1)], allRows: false);
                }
                if (part.Share.Place.IsLastStage) worst.Add((check.WorstRelative, check.WorstCosine));
                runner.Release(sequence);
            }
            if (exchange == ExpertExchangeMode.Always) rows.Add((runner.Exchange!.NumSent, runner.Exchange.NumReceived));
        });
        Assert.Equal(places[0].TpSize * cases.Count, worst.Count);
        if (exchange == ExpertExchangeMode.Always)
        {
            Assert.All(rows, row => Assert.InRange(row.Received, 1, long.MaxValue));
            Assert.Equal(rows.Sum(row => row.Sent), rows.Sum(row => row.Received));
        }
        output.WriteLine($"{model} {dtype} {places[0]} {exchange}: relative {worst.Max(w => w.Relative):E2}, cosine {worst.Min(w => w.Cosine):F8}");
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void All_ranks_get_the_same_bits_and_a_run_repeats_them(int tp)
    {
        GoldenCase golden = Golden.Load("llama")[0];
        ConcurrentBag<(int Run, int Rank, float[][] Rows)> all = [];
        for (int run = 0; run < 2; run++)
        {
            int mine = run;
            RankThreads.Run(RankPlace.All(tp), (device, ranks) =>
            {
                using IModel part = ModelLoader.Load(device, TestFiles.Model("llama"), new ModelLoadOptions { Place = ranks.Place });
                using var runner = new StepRunner(device, part, pageSize: 16, maxTokens: 1024, ranks: ranks);
                all.Add((mine, ranks.Place.TpRank, runner.Step([(new Sequence(golden.InputIds), golden.InputIds.Length)], allRows: true)));
            });
        }
        float[][] first = all.First().Rows;
        foreach ((int run, int rank, float[][] rows) in all)
            for (int row = 0; row < first.Length; row++) Assert.True(first[row].AsSpan().SequenceEqual(rows[row]), $"run {run}, rank {rank}, row {row}");
    }

    [Theory]
    [InlineData("llama", 2, 1, ExpertExchangeMode.Never)]
    [InlineData("mixtral", 4, 4, ExpertExchangeMode.Never)]
    [InlineData("mixtral", 4, 4, ExpertExchangeMode.Always)]
    public void A_decode_pass_over_several_ranks_allocates_nothing(string model, int tp, int ep, ExpertExchangeMode exchange) => RankThreads.Run(RankPlace.All(tp, epSize: ep), (device, ranks) =>
    {
        using IModel part = ModelLoader.Load(device, TestFiles.Model(model), new ModelLoadOptions { Place = ranks.Place, ExpertExchange = exchange });
        using var runner = new StepRunner(device, part, pageSize: 16, maxTokens: 64, ranks: ranks);
        var sequence = new Sequence([1, 2, 3, 4]);
        runner.Step([(sequence, 3)], allRows: false);
        runner.Prepare([(sequence, 1)], allRows: false);
        long least = long.MaxValue;
        // The first passes compile and fill the native side's scratch; a foreign collection may cost any one of them something.
        for (int pass = 0; pass < 12; pass++)
        {
            runner.Arena.Reset();
            long before = GC.GetAllocatedBytesForCurrentThread();
            part.Forward(runner.Context);
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        Assert.Equal(0, least);
    });

    /// <summary>449 is no multiple of 64 nor of the ranks: the last rank's rows are padding in part, and logits end where the vocabulary does.</summary>
    [Fact]
    public void A_vocabulary_that_does_not_divide_is_padded()
    {
        const string Overrides = """{"vocab_size": 449}""";
        int[] prompt = [.. Enumerable.Range(0, 40).Select(i => i * 11 % 449)];
        RankThreads.Run(RankPlace.All(4), (device, ranks) =>
        {
            using IModel part = ModelLoader.Load(device, TestFiles.Model("llama"), Options(ranks.Place));
            using var runner = new StepRunner(device, part, pageSize: 16, maxTokens: 64, ranks: ranks);
            float[][] rows = runner.Step([(new Sequence(prompt), prompt.Length)], allRows: true);
            Assert.Equal(449, rows[0].Length);
            Assert.All(rows, row => Assert.All(row, value => Assert.True(float.IsFinite(value))));
        });

        static ModelLoadOptions Options(RankPlace place) => new() { DType = ModelDType.Float32, LoadFormat = LoadFormat.Dummy, JsonModelOverrideArgs = Overrides, Place = place };
    }

    /// <summary>Biases, stacked q, k and v, experts, and a vocabulary that is padded.</summary>
    [Theory]
    [InlineData("qwen2", 2, 1, 1)]
    [InlineData("qwen2", 4, 1, 1)]
    [InlineData("llama", 2, 2, 1)]
    [InlineData("qwen3-moe", 2, 1, 1)]
    [InlineData("qwen3-moe", 4, 1, 2)]
    public void Dummy_weights_are_one_model_however_many_ranks_share_it(string model, int tp, int pp, int ep)
    {
        const string Overrides = """{"vocab_size": 449}""";
        int[] prompt = [.. Enumerable.Range(0, 40).Select(i => i * 11 % 449)];
        float[][] expected = Rows(RankPlace.All(1))[0], zeros = [.. expected.Select(row => new float[row.Length])];
        Assert.NotEqual(zeros, expected);
        foreach (float[][] rows in Rows(RankPlace.All(tp, pp, ep)))
        {
            for (int row = 0; row < expected.Length; row++)
            {
                float largest = expected[row].Max(Math.Abs);
                for (int id = 0; id < 449; id++) Assert.InRange(rows[row][id], expected[row][id] - 1e-4f * largest, expected[row][id] + 1e-4f * largest);
            }
        }

        float[][][] Rows(RankPlace[] places)
        {
            ConcurrentBag<float[][]> all = [];
            RankThreads.Run(places, (device, ranks) =>
            {
                using IModel part = ModelLoader.Load(device, TestFiles.Model(model),
                    new ModelLoadOptions { DType = ModelDType.Float32, LoadFormat = LoadFormat.Dummy, JsonModelOverrideArgs = Overrides, Place = ranks.Place });
                using var runner = new StepRunner(device, part, pageSize: 16, maxTokens: 64, ranks: ranks);
                float[][] rows = runner.Step([(new Sequence(prompt), prompt.Length)], allRows: true);
                if (ranks.Place.IsLastStage) all.Add(rows);
            });
            Assert.Equal(places[0].TpSize, all.Count);
            return [.. all];
        }
    }

    /// <summary>The last ranks have few ids of these vocabularies, or none; the prompt is new every time.</summary>
    [Theory]
    [InlineData(2, 449)]
    [InlineData(4, 449)]
    [InlineData(4, 1)]
    [InlineData(4, 33)]
    [InlineData(2, 4096)]
    public void The_greedy_draw_over_parts_of_the_vocabulary_is_that_of_the_whole(int tp, int vocabulary)
    {
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        int[] prompt = [.. Enumerable.Range(0, 50).Select(_ => random.Next(vocabulary))];
        RankThreads.Run(RankPlace.All(tp), (device, ranks) =>
        {
            using IModel part = ModelLoader.Load(device, TestFiles.Model("llama"), new ModelLoadOptions
            {
                LoadFormat = LoadFormat.Dummy, JsonModelOverrideArgs = $$"""{"vocab_size": {{vocabulary}}, "eos_token_id": 0, "bos_token_id": 0}""", Place = ranks.Place,
            });
            using var runner = new StepRunner(device, part, pageSize: 16, maxTokens: 64, ranks: ranks);
            runner.Prepare([(new Sequence(prompt), prompt.Length)], allRows: true);
            Tensor own = part.OwnLogits(runner.Context, part.ForwardHidden(runner.Context), default);
            using var buffer = new DeviceBuffer(device, 2L * prompt.Length * sizeof(int), "ids");
            Tensor drawn = buffer.View(0, DType.I32, prompt.Length), expected = buffer.View(prompt.Length * sizeof(int), DType.I32, prompt.Length);
            part.DrawGreedy(runner.Context, drawn, own);
            SamplingRow[] greedy = [.. prompt.Select(_ => new SamplingRow { TopP = 1, RepetitionPenalty = 1 })];
            Ops.Sample(device, expected, default, part.WholeLogits(runner.Context, own), greedy);
            int[] ids = new int[2 * prompt.Length];
            device.Download(ids.AsSpan(), buffer.AsTensor(DType.I32, ids.Length));
            Assert.Equal(ids[prompt.Length..], ids[..prompt.Length]);
        });
    }
}
