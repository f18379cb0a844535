using System.Text;
using SgLang.Core;

namespace SgLang.Engine.Tests;

/// <summary>Everything a generation brought, read to its end.</summary>
internal sealed class Collected
{
    private static readonly TimeSpan s_deadline = TimeSpan.FromSeconds(120);

    public List<int> Ids { get; } = [];
    public string Text { get; private set; } = "";
    public List<TokenLogprob> Logprobs { get; } = [];
    public List<IReadOnlyList<TokenLogprob>> Top { get; } = [];
    public IReadOnlyList<TokenLogprob> InputLogprobs { get; private set; } = [];
    public IReadOnlyList<IReadOnlyList<TokenLogprob>?> InputTop { get; private set; } = [];
    public float[]? Embedding { get; private set; }
    public List<IReadOnlyList<TokenLogprob>> Chosen { get; } = [];
    public IReadOnlyList<IReadOnlyList<TokenLogprob>?> InputChosen { get; private set; } = [];
    public FinishReason Finish { get; private set; }
    public int NumChunks { get; private set; }

    public static async Task<Collected> ReadAsync(Generation generation)
    {
        using CancellationTokenSource timeout = new(s_deadline);
        Collected all = new();
        StringBuilder text = new();
        FinishReason? finish = null;
        await using (generation)
        {
            while (await generation.ReadAsync(timeout.Token) is { } chunk)
            {
                Assert.Null(finish);
                all.NumChunks++;
                all.Ids.AddRange(chunk.TokenIds);
                text.Append(chunk.Text);
                all.Logprobs.AddRange(chunk.Logprobs);
                all.Top.AddRange(chunk.TopLogprobs);
                all.Chosen.AddRange(chunk.ChosenLogprobs);
                if (chunk.InputChosenLogprobs.Count > 0) all.InputChosen = chunk.InputChosenLogprobs;
                if (chunk.InputLogprobs.Count > 0) all.InputLogprobs = chunk.InputLogprobs;
                if (chunk.InputTopLogprobs.Count > 0) all.InputTop = chunk.InputTopLogprobs;
                all.Embedding ??= chunk.Embedding;
                finish = chunk.Finish;
            }
        }
        all.Text = text.ToString();
        all.Finish = finish ?? throw new InvalidOperationException("the stream ended without a finish");
        return all;
    }
}
