using System.Diagnostics.CodeAnalysis;
using SgLang.Interop;
using static SgLang.Interop.SglNative;

namespace SgLang.Runtime;

/// <summary>What all steps of an attention plan have in common.</summary>
/// <param name="HeadDim">32 to 256, a multiple of 8.</param>
/// <param name="DType">Type of q, out and both caches: BF16 or F32.</param>
/// <param name="Window">Keys a token sees, itself included; 0 means all.</param>
/// <param name="Scale">Multiplies q.k, usually HeadDim^-0.5.</param>
/// <param name="SoftCap">Scores s become SoftCap * tanh(s / SoftCap); 0 means off.</param>
/// <param name="MaxTokens">Most query tokens of one step.</param>
/// <param name="MaxRequests">Most requests of one step.</param>
public readonly record struct AttentionDesc(
    int NumQHeads, int NumKvHeads, int HeadDim, int PageSize, DType DType, int Window, float Scale, float SoftCap, int MaxTokens, int MaxRequests);

/// <summary>How a step's attention is split over pages and processors; reused from step to step by all layers of one description.</summary>
public sealed unsafe class AttentionPlan : IDisposable
{
    private readonly DeviceContext _context;
    private SglAttentionPlan _handle;

    public AttentionPlan(DeviceContext context, in AttentionDesc desc)
    {
        _context = context;
        Desc = desc;
        if (!context.IsMeta)
        {
            var native = new SglAttentionDesc
            {
                NumQHeads = desc.NumQHeads,
                NumKvHeads = desc.NumKvHeads,
                HeadDim = desc.HeadDim,
                PageSize = desc.PageSize,
                DType = (SglDType)desc.DType,
                Window = desc.Window,
                Scale = desc.Scale,
                SoftCap = desc.SoftCap,
                MaxTokens = desc.MaxTokens,
                MaxRequests = desc.MaxRequests,
            };
            SglAttentionPlan plan;
            Check(sgl_attention_plan_create(context.Handle, &plan, &native));
            _handle = plan;
        }
        context.Retain();
    }

    public AttentionDesc Desc { get; }

    internal SglAttentionPlan Handle => !_handle.IsNull ? _handle : throw new ObjectDisposedException(nameof(AttentionPlan));

    /// <summary>Host work of a step, before its first layer. The spans are read during the call only.</summary>
    /// <param name="queryStart">[requests + 1]: query tokens of request r are rows [queryStart[r], queryStart[r + 1]).</param>
    /// <param name="kvLength">[requests]: tokens in the cache, this step's included.</param>
    /// <param name="pageStart">[requests]: where a request's list begins in <paramref name="pages"/>.</param>
    /// <param name="pages">Pages of all requests, ceil(kvLength / page size) for each.</param>
    public void Update(ReadOnlySpan<int> queryStart, ReadOnlySpan<int> kvLength, ReadOnlySpan<int> pageStart, ReadOnlySpan<int> pages)
    {
        if (_context.IsMeta) return;
        if (queryStart.Length != kvLength.Length + 1 || pageStart.Length != kvLength.Length) ThrowLengths(queryStart.Length, kvLength.Length, pageStart.Length);
        for (int r = 0; r < kvLength.Length; r++)
        {
            long needed = ((long)kvLength[r] + Desc.PageSize - 1) / Desc.PageSize;
            if (kvLength[r] < 0 || pageStart[r] < 0 || pageStart[r] + needed > pages.Length) ThrowPages(r, kvLength[r], pageStart[r], pages.Length);
        }
        if (_context.Trace is { } trace) Count(trace, queryStart, kvLength);
        fixed (int* queryStartData = queryStart, kvLengthData = kvLength, pageStartData = pageStart, pagesData = pages)
        {
            var batch = new SglAttentionBatch
            {
                NumRequests = kvLength.Length,
                QueryStart = queryStartData,
                KvLength = kvLengthData,
                PageStart = pageStartData,
                Pages = pagesData,
            };
            Check(sgl_attention_plan_update(_context.Handle, Handle, &batch));
        }
    }

    /// <summary>Token i of q new ones sees the k - q before them and i + 1 of them, within the window.</summary>
    private void Count(OperatorTrace trace, ReadOnlySpan<int> queryStart, ReadOnlySpan<int> kvLength)
    {
        long pairs = 0, keys = 0;
        for (int r = 0; r < kvLength.Length; r++)
        {
            long q = queryStart[r + 1] - queryStart[r], k = kvLength[r];
            if (Desc.Window > 0)
            {
                k = Math.Min(k, Desc.Window + q - 1);
                pairs += q == 1 ? k : Math.Min(q * (k - q) + q * (q + 1) / 2, q * Desc.Window);
            }
            else
            {
                pairs += q * (k - q) + q * (q + 1) / 2;
            }
            keys += k;
        }
        trace.Pairs = pairs;
        trace.Keys = keys;
    }

    public void Dispose()
    {
        if (_handle.IsNull) return;
        sgl_attention_plan_destroy(_handle);
        _handle = default;
        _context.Release();
    }

    [DoesNotReturn]
    private static void ThrowLengths(int queryStart, int kvLength, int pageStart) =>
        throw new ArgumentException($"attention batch of {kvLength} requests: queryStart has {queryStart} entries instead of {kvLength + 1}, pageStart {pageStart} instead of {kvLength}");

    [DoesNotReturn]
    private static void ThrowPages(int request, int kvLength, int pageStart, int pages) =>
        throw new ArgumentException($"attention batch: request {request} has {kvLength} tokens from page list entry {pageStart} on; the list has {pages} entries");
}
