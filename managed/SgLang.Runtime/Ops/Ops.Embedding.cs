using SgLang.Interop;
using SgLang.Profiling;
using static SgLang.Interop.SglNative;

namespace SgLang.Runtime;

public static unsafe partial class Ops
{
    /// <summary>y [n, in_features] = rows `ids` (I32 [n]) of a one-group weight [vocabulary, in_features].</summary>
    public static void Embedding(DeviceContext context, in Tensor y, PackedWeight weight, in Tensor ids)
    {
        if (context.IsMeta) return;
        using OperatorSpan span = new(context.Trace, Operator.Embedding);
        if (span.IsOn) span.Describe(in ids, new OperatorCost(0, 2 * y.NumBytes + ids.NumBytes));
        fixed (Tensor* py = &y, pi = &ids)
            Check(sgl_embedding(context.Handle, (SglTensor*)py, weight.Handle, (SglTensor*)pi));
    }

    /// <summary>As <see cref="Embedding"/> with rows [firstId, firstId + rows) of the vocabulary; zeros for the ids of other ranks.</summary>
    public static void EmbeddingShard(DeviceContext context, in Tensor y, PackedWeight weight, in Tensor ids, int firstId)
    {
        if (context.IsMeta) return;
        fixed (Tensor* py = &y, pi = &ids)
            Check(sgl_embedding_shard(context.Handle, (SglTensor*)py, weight.Handle, (SglTensor*)pi, firstId));
    }

    /// <summary>ids[i] = sources[i] if that is >= 0, else lastIds[-sources[i] - 1]. All I32.</summary>
    public static void TokenResolve(DeviceContext context, in Tensor ids, in Tensor sources, in Tensor lastIds)
    {
        if (context.IsMeta) return;
        using OperatorSpan span = new(context.Trace, Operator.TokenResolve);
        if (span.IsOn) span.Describe(in sources, new OperatorCost(0, ids.NumBytes + 2 * sources.NumBytes));
        fixed (Tensor* pi = &ids, ps = &sources, pl = &lastIds)
            Check(sgl_token_resolve(context.Handle, (SglTensor*)pi, (SglTensor*)ps, (SglTensor*)pl));
    }

    /// <summary>lastIds[slots[i]] = ids[i]; a negative slot is skipped. All I32.</summary>
    public static void TokenScatter(DeviceContext context, in Tensor lastIds, in Tensor slots, in Tensor ids)
    {
        if (context.IsMeta) return;
        using OperatorSpan span = new(context.Trace, Operator.TokenScatter);
        if (span.IsOn) span.Describe(in ids, new OperatorCost(0, 2 * ids.NumBytes + slots.NumBytes));
        fixed (Tensor* pl = &lastIds, ps = &slots, pi = &ids)
            Check(sgl_token_scatter(context.Handle, (SglTensor*)pl, (SglTensor*)ps, (SglTensor*)pi));
    }

    /// <summary>y [m, n] = x[rows[i], :]; rows is I32 [m].</summary>
    public static void GatherRows(DeviceContext context, in Tensor y, in Tensor x, in Tensor rows)
    {
        if (context.IsMeta) return;
        using OperatorSpan span = new(context.Trace, Operator.GatherRows);
        if (span.IsOn) span.Describe(in rows, new OperatorCost(0, 2 * y.NumBytes + rows.NumBytes));
        fixed (Tensor* py = &y, px = &x, pr = &rows)
            Check(sgl_gather_rows(context.Handle, (SglTensor*)py, (SglTensor*)px, (SglTensor*)pr));
    }

    /// <summary>y [m, n] = sum over j of x[rows[i, j], :], plus the residual [m, n] where given, rounded once; rows is I32 [m, w], dense.</summary>
    /// <param name="x">Of y's type or F32.</param>
    public static void GatherSum(DeviceContext context, in Tensor y, in Tensor x, in Tensor rows, in Tensor residual = default)
    {
        if (context.IsMeta) return;
        using OperatorSpan span = new(context.Trace, Operator.GatherSum);
        if (span.IsOn) span.Describe(in rows, new OperatorCost(0, x.NumBytes + y.NumBytes + (residual.IsNone ? 0 : residual.NumBytes) + rows.NumBytes));
        fixed (Tensor* py = &y, px = &x, pr = &rows, ps = &residual)
            Check(sgl_gather_sum(context.Handle, (SglTensor*)py, (SglTensor*)px, (SglTensor*)pr, residual.IsNone ? null : (SglTensor*)ps));
    }
}
