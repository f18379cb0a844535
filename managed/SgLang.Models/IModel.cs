using SgLang.Models.Experts;
using SgLang.Runtime;

namespace SgLang.Models;

/// <summary>A loaded decoder-only language model. Used by the thread of its context.</summary>
public interface IModel : IDisposable
{
    ModelConfig Config { get; }

    /// <summary>The part of the model that this rank has.</summary>
    RankShare Share { get; }

    /// <summary>Type of weights, activations and KV cache: BF16 or F32.</summary>
    DType DType { get; }

    /// <summary>Device memory of all parameters and tables.</summary>
    long WeightBytes { get; }

    /// <summary>Device memory of one token's keys and values over all layers.</summary>
    long KvBytesPerToken { get; }

    /// <summary>Positions are in [0, MaxPositions).</summary>
    int MaxPositions { get; }

    /// <summary>Each kind of attention needs its own plan.</summary>
    IReadOnlyList<AttentionKind> AttentionKinds { get; }

    /// <summary>Paths of all modules in the order they were built, such as "model.layers.0.self_attn.qkv_proj".</summary>
    IReadOnlyList<string> ModulePaths { get; }

    /// <summary>The same modules with what they are made of.</summary>
    IReadOnlyList<ModuleInfo> Modules { get; }

    /// <summary>When its sparse layers exchange tokens, for which a context then needs an <see cref="Experts.ExpertExchange"/>; null: never.</summary>
    ExpertExchangeRule? ExchangeRule { get; }

    /// <summary>Arena bytes that <see cref="Forward"/> takes for a step of so many tokens, found by running it without a device.</summary>
    long ActivationBytes(int numTokens, int numLogitRows);

    /// <summary>Appends the step's tokens to the KV cache and returns F32 logits [num_rows, vocabulary] of the wanted ones.</summary>
    Tensor Forward(ForwardContext context);

    /// <summary>
    /// The first part of <see cref="Forward"/>: hidden states [num_tokens, hidden] of all tokens, before the last norm. A pipeline stage takes
    /// them from the stage before, passes them on to the next, and returns them; those of the last stage are the model's.
    /// </summary>
    Tensor ForwardHidden(ForwardContext context);

    /// <summary>
    /// The second part, on the last stage only: F32 logits [num_rows, vocabulary] of some rows (I32) of what <see cref="ForwardHidden"/> returned, or of all for none.
    /// A caller that wants many, such as for prompt log-probabilities, takes them in blocks, each within a scope of the arena.
    /// </summary>
    Tensor Logits(ForwardContext context, in Tensor hidden, in Tensor rows);

    /// <summary>
    /// The same without the exchange between tensor ranks: this rank's columns, for <see cref="WholeLogits"/> or <see cref="DrawGreedy"/>.
    /// </summary>
    Tensor OwnLogits(ForwardContext context, in Tensor hidden, in Tensor rows);

    /// <summary>F32 [num_rows, vocabulary] on every tensor rank of what <see cref="OwnLogits"/> returned.</summary>
    Tensor WholeLogits(ForwardContext context, in Tensor own);

    /// <summary>ids I32 [num_rows] = the largest of <see cref="WholeLogits"/>, ties to the lower id, without gathering them.</summary>
    void DrawGreedy(ForwardContext context, in Tensor ids, in Tensor own);

    /// <summary>
    /// On the last stage only: some rows (I32) of what <see cref="ForwardHidden"/> returned, or all for none, after the last norm: what the head
    /// reads, and a decoder's embedding of the text so far. [num_rows, hidden] of the model's type.
    /// </summary>
    Tensor LastHidden(ForwardContext context, in Tensor hidden, in Tensor rows);
}
