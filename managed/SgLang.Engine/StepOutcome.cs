using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>Scores of one request's prompt tokens computed by one step; entry i belongs to the i-th target of the step's window.</summary>
/// <param name="RequestIndex">Index in the plan.</param>
internal readonly record struct PromptScores(int RequestIndex, TokenLogprob[] Tokens, TokenLogprob[][]? Top, TokenLogprob[][]? Chosen);

/// <summary>The embedding of one request's prompt, which ended in this step.</summary>
/// <param name="RequestIndex">Index in the plan.</param>
/// <param name="Values">[hidden] of length 1.</param>
internal readonly record struct PromptEmbedding(int RequestIndex, float[] Values);

/// <summary>What a rank reports of a step. Reused; written by the rank, then read by the engine thread.</summary>
/// <param name="slot">Which of the steps that can be under way at once: those of different slots share no memory.</param>
internal sealed class StepOutcome(int maxSamples, int slot = 0)
{
    private readonly int[] _ids = new int[maxSamples];
    private readonly float[] _logprobs = new float[maxSamples];
    private readonly TokenLogprob[]?[] _top = new TokenLogprob[]?[maxSamples];
    private readonly TokenLogprob[]?[] _chosen = new TokenLogprob[]?[maxSamples];
    private bool _hasScores;

    public int Slot => slot;

    /// <summary>How the step is recorded; set at launch.</summary>
    public StepTrace Trace { get; set; }

    /// <summary>Set when the step could not run; nothing else is valid then.</summary>
    public Exception? Error { get; set; }

    /// <summary>One per entry of the plan's <see cref="StepPlan.SampleIndex"/>; likewise <see cref="Logprobs"/>, <see cref="Top"/> and <see cref="Chosen"/>.</summary>
    public Span<int> Ids(StepPlan plan) => _ids.AsSpan(0, plan.NumSamples);

    /// <summary>NaN where not asked for.</summary>
    public Span<float> Logprobs(StepPlan plan) => _logprobs.AsSpan(0, plan.NumSamples);

    /// <summary>Null where not asked for; likewise <see cref="Chosen"/>.</summary>
    public ReadOnlySpan<TokenLogprob[]?> Top(StepPlan plan) => _top.AsSpan(0, plan.NumSamples);

    public ReadOnlySpan<TokenLogprob[]?> Chosen(StepPlan plan) => _chosen.AsSpan(0, plan.NumSamples);

    public void SetTop(int sample, TokenLogprob[]? scores)
    {
        _top[sample] = scores;
        _hasScores = true;
    }

    public void SetChosen(int sample, TokenLogprob[]? scores)
    {
        _chosen[sample] = scores;
        _hasScores = true;
    }

    public List<PromptScores> PromptScores { get; } = [];
    public List<PromptEmbedding> Embeddings { get; } = [];

    public void Clear()
    {
        Error = null;
        PromptScores.Clear();
        Embeddings.Clear();
        // Rare, and the arrays are not in the processor's caches when a step begins.
        if (!_hasScores) return;
        Array.Clear(_top);
        Array.Clear(_chosen);
        _hasScores = false;
    }
}
