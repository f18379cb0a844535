using SgLang.Interop;
using SgLang.Profiling;
using static SgLang.Interop.SglNative;

namespace SgLang.Runtime;

/// <summary>How one row of logits is sampled; an `sgl_sampling_row`.</summary>
public struct SamplingRow
{
    private SglSamplingRow _native;

    /// <summary>0 means greedy: the largest logit, ties to the lower id.</summary>
    public float Temperature { readonly get => _native.Temperature; set => _native.Temperature = value; }
    public float TopP { readonly get => _native.TopP; set => _native.TopP = value; }
    public float MinP { readonly get => _native.MinP; set => _native.MinP = value; }
    public float FrequencyPenalty { readonly get => _native.FrequencyPenalty; set => _native.FrequencyPenalty = value; }
    public float PresencePenalty { readonly get => _native.PresencePenalty; set => _native.PresencePenalty = value; }
    public float RepetitionPenalty { readonly get => _native.RepetitionPenalty; set => _native.RepetitionPenalty = value; }

    /// <summary>Tokens kept; 0 means all.</summary>
    public int TopK { readonly get => _native.TopK; set => _native.TopK = value; }

    /// <summary>True: a draw that depends on (seed, position, column) alone; false: one uniform of (seed, position).</summary>
    public bool Seeded { readonly get => _native.Seeded != 0; set => _native.Seeded = value ? 1 : 0; }
    public ulong Seed { readonly get => _native.Seed; set => _native.Seed = value; }

    /// <summary>Tokens generated before this one.</summary>
    public long Position { readonly get => _native.Position; set => _native.Position = value; }
}

/// <summary>Sparse edits of the logits; lists of row r are [start[r], start[r + 1]). Empty starts mean that no row has any.</summary>
public ref struct SamplingLists
{
    /// <summary>[rows + 1] or empty; ids generated so far with their counts.</summary>
    public ReadOnlySpan<int> PenaltyStart;
    public ReadOnlySpan<int> PenaltyIds;
    public ReadOnlySpan<int> PenaltyCounts;

    /// <summary>[rows + 1] or empty; values are added to the logits, -infinity forbids.</summary>
    public ReadOnlySpan<int> BiasStart;
    public ReadOnlySpan<int> BiasIds;
    public ReadOnlySpan<float> BiasValues;
}

public static unsafe partial class Ops
{
    /// <summary>Draws ids (I32 [n]) from logits (F32 [n, vocabulary]), which penalties and biases change in place.</summary>
    /// <param name="logprobs">F32 [n] log-probability of each id drawn, or none.</param>
    /// <param name="allowed">I32 [n, ceil(vocabulary / 32)] bit masks, or none.</param>
    public static void Sample(DeviceContext context, in Tensor ids, in Tensor logprobs, in Tensor logits, ReadOnlySpan<SamplingRow> rows,
                              scoped in SamplingLists lists = default, in Tensor allowed = default)
    {
        if (context.IsMeta) return;
        using OperatorSpan span = new(context.Trace, Operator.Sample);
        if (span.IsOn) span.Describe(in logits, new OperatorCost(5 * logits.NumElements, logits.NumBytes + ids.NumBytes));
        if (rows.Length != logits.NumRows) throw new ArgumentException($"sample: {rows.Length} rows of parameters for logits {logits}");
        fixed (Tensor* pi = &ids, pp = &logprobs, pl = &logits, pa = &allowed)
        fixed (SamplingRow* rowData = rows)
        fixed (int* penaltyStart = lists.PenaltyStart, penaltyIds = lists.PenaltyIds, penaltyCounts = lists.PenaltyCounts)
        fixed (int* biasStart = lists.BiasStart, biasIds = lists.BiasIds)
        fixed (float* biasValues = lists.BiasValues)
        {
            // An empty span pins as null, which is how the library is told that there are none.
            var edits = new SglSamplingLists
            {
                PenaltyStart = penaltyStart,
                PenaltyIds = penaltyIds,
                PenaltyCounts = penaltyCounts,
                BiasStart = biasStart,
                BiasIds = biasIds,
                BiasValues = biasValues,
            };
            var args = new SglSamplingArgs
            {
                Ids = (SglTensor*)pi,
                Logprobs = OrNull(pp),
                Logits = (SglTensor*)pl,
                Rows = (SglSamplingRow*)rowData,
                Lists = penaltyStart == null && biasStart == null ? null : &edits,
                Allowed = OrNull(pa),
            };
            Check(sgl_sample(context.Handle, &args));
        }
    }

    /// <summary>best I32 [n, 2] = the largest logit of each row of a part of the vocabulary, whose first id is given; for <see cref="ArgmaxMerge"/>.</summary>
    public static void ArgmaxShard(DeviceContext context, in Tensor best, in Tensor logits, int firstId)
    {
        if (context.IsMeta) return;
        using OperatorSpan span = new(context.Trace, Operator.ArgmaxShard);
        if (span.IsOn) span.Describe(in logits, new OperatorCost(logits.NumElements, logits.NumBytes + best.NumBytes));
        fixed (Tensor* pb = &best, pl = &logits) Check(sgl_argmax_shard(context.Handle, (SglTensor*)pb, (SglTensor*)pl, firstId));
    }

    /// <summary>ids I32 [n] = the greedy draw over all parts of the vocabulary, whose bests I32 [n, 2 * parts] stand side by side.</summary>
    public static void ArgmaxMerge(DeviceContext context, in Tensor ids, in Tensor best)
    {
        if (context.IsMeta) return;
        using OperatorSpan span = new(context.Trace, Operator.ArgmaxMerge);
        if (span.IsOn) span.Describe(in best, new OperatorCost(best.NumElements, best.NumBytes + ids.NumBytes));
        fixed (Tensor* pi = &ids, pb = &best) Check(sgl_argmax_merge(context.Handle, (SglTensor*)pi, (SglTensor*)pb));
    }

    /// <summary>log_softmax(logits / temperature) at `targets` (I32 [n]) and at the k largest.</summary>
    /// <param name="targetLogprobs">F32 [n]</param>
    /// <param name="topLogprobs">F32 [n, k] in falling order, or none together with <paramref name="topIds"/> (I32 [n, k]).</param>
    /// <param name="temperatures">[n] in host memory, or empty for 1.</param>
    public static void Logprobs(DeviceContext context, in Tensor targetLogprobs, in Tensor topLogprobs, in Tensor topIds, in Tensor logits,
                                in Tensor targets, ReadOnlySpan<float> temperatures = default)
    {
        if (context.IsMeta) return;
        using OperatorSpan span = new(context.Trace, Operator.Logprobs);
        if (span.IsOn) span.Describe(in logits, new OperatorCost(5 * logits.NumElements, logits.NumBytes + targetLogprobs.NumBytes));
        fixed (Tensor* pt = &targetLogprobs, pp = &topLogprobs, pi = &topIds, pl = &logits, pg = &targets)
        fixed (float* temperatureData = temperatures)
        {
            var args = new SglLogprobArgs
            {
                TargetLogprobs = (SglTensor*)pt,
                TopLogprobs = OrNull(pp),
                TopIds = OrNull(pi),
                Logits = (SglTensor*)pl,
                Targets = (SglTensor*)pg,
                Temperatures = temperatureData,
            };
            Check(sgl_logprobs(context.Handle, &args));
        }
    }
}
