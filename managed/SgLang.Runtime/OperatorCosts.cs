using SgLang.Profiling;

namespace SgLang.Runtime;

/// <summary>Operations and bytes of operators: every input is read once and every output written once, which no kernel can do better.</summary>
internal static class OperatorCosts
{
    /// <summary>A multiplication and an addition for each of n * out * in.</summary>
    public static OperatorCost Linear(in Tensor y, in Tensor x, PackedWeight weight, in Tensor bias, in Tensor residual) => new(
        2 * x.NumRows * weight.OutFeatures * weight.InFeatures,
        x.NumBytes + y.NumBytes + bias.NumBytes + residual.NumBytes + weight.OutFeatures * weight.InFeatures * weight.DType.SizeInBytes());

    /// <summary>So many operations for each element, over tensors that are read or written once.</summary>
    public static OperatorCost Elementwise(int flopsPerElement, in Tensor y, in Tensor a, in Tensor b = default) =>
        new(flopsPerElement * y.NumElements, y.NumBytes + a.NumBytes + b.NumBytes);

    /// <summary>Two products of head_dim for each head and pair of a query and a key it sees; keys and values of the batch are read once.</summary>
    public static OperatorCost Attention(in Tensor output, in Tensor q, in AttentionDesc desc) => new(
        0,
        q.NumBytes + output.NumBytes,
        FlopsPerPair: 4L * desc.NumQHeads * desc.HeadDim,
        BytesPerKey: 2L * desc.NumKvHeads * desc.HeadDim * desc.DType.SizeInBytes());

    /// <summary>Three products for each token and chosen expert; the weights of as many experts as can be chosen are read. Routing, where it is part of it.</summary>
    public static OperatorCost MoeExperts(in Tensor y, in Tensor x, in Tensor expertIds, PackedWeight gateUp, PackedWeight down,
                                          in Tensor residual = default, in Tensor routerLogits = default)
    {
        long perToken = gateUp.OutFeatures * gateUp.InFeatures + down.OutFeatures * down.InFeatures;
        long experts = Math.Min(gateUp.NumGroups, expertIds.NumElements);
        long scores = routerLogits.IsNone ? 0 : routerLogits.NumElements;
        long ofRouting = routerLogits.IsNone ? 0 : routerLogits.NumBytes + 2 * expertIds.NumBytes;
        return new OperatorCost(2 * expertIds.NumElements * perToken + 5 * scores,
            x.NumBytes + y.NumBytes + residual.NumBytes + ofRouting + experts * perToken * gateUp.DType.SizeInBytes());
    }
}
