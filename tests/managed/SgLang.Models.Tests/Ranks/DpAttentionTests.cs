using System.Collections.Concurrent;
using SgLang.Core;
using SgLang.Runtime;

namespace SgLang.Models.Tests.Ranks;

/// <summary>Ranks that attend to requests of their own and share experts and MLPs give the reference's logits and tokens, whatever the others are at.</summary>
public sealed class DpAttentionTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("mixtral", ModelDType.Float32, 2, 2, 1)]
    [InlineData("mixtral", ModelDType.Float32, 4, 2, 4)]
    [InlineData("mixtral", ModelDType.Float32, 4, 4, 2)]
    [InlineData("mixtral", ModelDType.BFloat16, 4, 2, 2)]
    [InlineData("qwen3-moe", ModelDType.Float32, 2, 2, 2)]
    [InlineData("qwen3-moe", ModelDType.Float32, 4, 2, 2)]
    [InlineData("qwen3-moe", ModelDType.Float32, 4, 4, 1)]
    [InlineData("qwen3-moe", ModelDType.BFloat16, 2, 2, 2)]
    [InlineData("llama", ModelDType.Float32, 4, 2, 1)]
    [InlineData("qwen2", ModelDType.BFloat16, 4, 4, 1)]
    public void Groups_at_different_requests_give_the_reference_logits_and_tokens(string model, ModelDType dtype, int tp, int dp, int ep)
    {
        IReadOnlyList<GoldenCase> cases = Golden.Load(model);
        Tolerance tolerance = dtype == ModelDType.Float32 ? Tolerance.Float32 with { Relative = 1e-4 } : Tolerance.BFloat16;
        IReadOnlyList<IReadOnlySet<int>> nearTies;
        using (DeviceContext device = DeviceContext.Create(DeviceKind.Cpu)) nearTies = GoldenTests.NearTies(device, model, dtype);
        // Each group takes its share of the cases, one after the other, the last ones fewer, and begins later than the one before: prompts of one
        // fall together with single tokens of another, and some have nothing to do. Case -1 is no work.
        List<(int Case, int Token)>[] steps = [.. Enumerable.Range(0, dp).Select(group => Enumerable.Repeat((-1, 0), 3 * group)
            .Concat(Enumerable.Range(0, cases.Count).Where(i => Math.Max(0, i - (cases.Count - dp)) == group)
                .SelectMany(i => Enumerable.Range(0, cases[i].GreedyIds.Length + 1).Select(token => (i, token)))).ToList())];
        int rounds = steps.Max(own => own.Count);
        Assert.Contains(steps, own => own.Count < rounds);
        foreach (List<(int Case, int Token)> own in steps) own.AddRange(Enumerable.Repeat((-1, 0), rounds - own.Count));
        ConcurrentBag<(double Relative, double Cosine)> worst = [];
        RankThreads.Run(RankPlace.All(tp, epSize: ep, dpSize: dp, dpAttention: true), (device, ranks) =>
        {
            using IModel part = ModelLoader.Load(device, TestFiles.Model(model), new ModelLoadOptions { DType = dtype, Place = ranks.Place });
            using var runner = new StepRunner(device, part, pageSize: 16, maxTokens: 1024, ranks: ranks);
            List<(int Case, int Token)> own = steps[ranks.Place.DpRank];
            var sequence = new Sequence([]);
            GoldenCheck? check = null;
            int[] tokens = new int[dp];
            for (int round = 0; round < rounds; round++)
            {
                for (int group = 0; group < dp; group++)
                {
                    tokens[group] = steps[group][round] switch { (-1, _) => 0, (int prompt, 0) => cases[prompt].InputIds.Length, _ => 1 };
                }
                runner.Spread!.Begin(tokens);
                (int place, int token) = own[round];
                if (place < 0)
                {
                    var padding = new Sequence([0]);
                    runner.Step([(padding, 1)], allRows: false);
                    runner.Release(padding);
                    continue;
                }
                GoldenCase golden = cases[place];
                if (token == 0)
                {
                    runner.Release(sequence);
                    sequence = new Sequence(golden.InputIds);
                    check = new GoldenCheck(golden, tolerance, $"{model} case {place} on {ranks.Place}", nearTies[place]);
                }
                else
                {
                    sequence.Tokens.Add(golden.GreedyIds[token - 1]);
                }
                float[][] logits = runner.Step([(sequence, tokens[ranks.Place.DpRank])], allRows: token == 0);
                if (token == 0)
                    for (int row = 0; row < logits.Length; row++) check!.Prompt(row, logits[row]);
                if (token < golden.GreedyIds.Length) check!.Generated(token, logits[^1]);
                else worst.Add((check!.WorstRelative, check.WorstCosine));
            }
        });
        Assert.Equal(cases.Count * tp / dp, worst.Count);
        output.WriteLine($"{model} {dtype} tp {tp} dp {dp} ep {ep}: relative {worst.Max(w => w.Relative):E2}, cosine {worst.Min(w => w.Cosine):F8}");
    }

    [Theory]
    [InlineData(4, 3, "--dp-size is 3; it must divide --tp-size, 4, with --enable-dp-attention.")]
    [InlineData(6, 2, "--tp-size / --dp-size is 3; it must divide num_attention_heads, 4.")]
    public void Sizes_that_do_not_divide_are_refused(int tp, int dp, string message)
    {
        ModelConfig config = ModelConfig.Load(TestFiles.Model("mixtral"));
        RankPlace place = new() { TpSize = tp, DpSize = dp, AttentionDpSize = dp };
        Assert.Equal(message, Assert.Throws<ModelConfigException>(() => RankShare.Of(config, place)).Message);
    }

    /// <summary>What attention needs is on each group; experts are on one rank each.</summary>
    [Fact]
    public void Groups_repeat_attention_and_share_experts()
    {
        ModelConfig config = ModelConfig.Load(TestFiles.Model("mixtral"));
        RankShare[] shares = [.. RankPlace.All(4, epSize: 4, dpSize: 2, dpAttention: true).Select(place => RankShare.Of(config, place))];
        Assert.Equal([0, 2, 0, 2], shares.Select(share => share.Heads.First));
        Assert.All(shares, share => Assert.Equal(2, share.Heads.Count));
        Assert.Equal(Enumerable.Range(0, 4).Select(i => (long)i * config.NumExperts / 4), shares.Select(share => share.Experts.First));
        Assert.Equal([0, 0, 1, 1], shares.Select(share => share.Place.DpRank));
    }
}
