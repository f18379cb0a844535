using SgLang.Interop;
using SgLang.Profiling;
using static SgLang.Interop.SglNative;

namespace SgLang.Runtime;

public static unsafe partial class Ops
{
    /// <summary>
    /// Writes k and v [n, kv_heads, head_dim] to `slots` (I32 [n]; page * page_size + row) of caches [num_pages, kv_heads, page_size, head_dim].
    /// </summary>
    public static void KvAppend(DeviceContext context, in Tensor kCache, in Tensor vCache, in Tensor k, in Tensor v, in Tensor slots)
    {
        if (context.IsMeta) return;
        using OperatorSpan span = new(context.Trace, Operator.KvAppend);
        if (span.IsOn) span.Describe(in k, new OperatorCost(0, 2 * (k.NumBytes + v.NumBytes) + slots.NumBytes));
        fixed (Tensor* pkc = &kCache, pvc = &vCache, pk = &k, pv = &v, ps = &slots)
            Check(sgl_kv_append(context.Handle, (SglTensor*)pkc, (SglTensor*)pvc, (SglTensor*)pk, (SglTensor*)pv, (SglTensor*)ps));
    }

    /// <summary>Page destinationPages[i] = page sourcePages[i], both I32 [n], disjoint.</summary>
    public static void KvCopy(DeviceContext context, in Tensor kCache, in Tensor vCache, in Tensor destinationPages, in Tensor sourcePages)
    {
        if (context.IsMeta) return;
        using OperatorSpan span = new(context.Trace, Operator.KvCopy);
        if (span.IsOn) span.Describe(in destinationPages, new OperatorCost(0, 2 * destinationPages.NumElements * 2 * kCache.NumBytes / Math.Max(1, kCache.NumRows)));
        fixed (Tensor* pkc = &kCache, pvc = &vCache, pd = &destinationPages, ps = &sourcePages)
            Check(sgl_kv_copy(context.Handle, (SglTensor*)pkc, (SglTensor*)pvc, (SglTensor*)pd, (SglTensor*)ps));
    }
}
