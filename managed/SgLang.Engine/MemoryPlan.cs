using System.Globalization;
using SgLang.Core;

namespace SgLang.Engine;

/// <summary>What a memory plan is made from; all sizes in bytes.</summary>
internal sealed record MemoryPlanInput
{
    public required bool IsCpu { get; init; }
    public required long TotalMemory { get; init; }

    /// <summary>Free before anything was loaded.</summary>
    public required long FreeMemory { get; init; }
    public required long WeightBytes { get; init; }

    /// <summary>Activations of the largest step.</summary>
    public required long ActivationBytes { get; init; }
    public required long KvBytesPerToken { get; init; }
    public required int ContextLength { get; init; }
    public required int PageSize { get; init; }
    public double? MemFractionStatic { get; init; }
    public int? MaxTotalTokens { get; init; }
    public int? MaxRunningRequests { get; init; }

    /// <summary>Ranks that share a device: what they need together.</summary>
    public static MemoryPlanInput Sum(IReadOnlyList<MemoryPlanInput> ranks) => ranks[0] with
    {
        WeightBytes = ranks.Sum(rank => rank.WeightBytes),
        ActivationBytes = ranks.Sum(rank => rank.ActivationBytes),
        KvBytesPerToken = ranks.Sum(rank => rank.KvBytesPerToken),
    };
}

/// <summary>How the device's memory is shared out. A pure function of <see cref="MemoryPlanInput"/>.</summary>
internal sealed record MemoryPlan
{
    /// <summary>Share of the free memory that weights and cache may take by default on a CPU: the rest is the page cache, HTTP and other programs.</summary>
    private const double DefaultCpuFraction = 0.7;

    /// <summary>The most that weights and cache take of a GPU by default; less where activations need more than the rest.</summary>
    private const double MostGpuFraction = 0.92;

    /// <summary>Of a GPU's memory, besides activations: operators' working memory, graphs, libraries.</summary>
    private const long GpuOverheadBytes = 2L << 30;

    /// <summary>More running requests than this gain nothing on the cores of one machine, and the cache is sized for them.</summary>
    private const int DefaultCpuRunningRequests = 256;
    private const int MostGpuRunningRequests = 4096;

    public required double MemFractionStatic { get; init; }
    public required int NumPages { get; init; }
    public required int MaxTotalTokens { get; init; }
    public required int MaxRunningRequests { get; init; }

    /// <summary>Throws <see cref="EngineStartException"/> when nothing fits, naming what to change.</summary>
    public static MemoryPlan Make(MemoryPlanInput input)
    {
        double fraction = input.MemFractionStatic ?? (input.IsCpu ? DefaultCpuFraction : DefaultGpuFractionOf(input));
        if (!(fraction > 0 && fraction < 1))
            throw new EngineStartException($"--mem-fraction-static must be in (0, 1), got {fraction.ToString(CultureInfo.InvariantCulture)}.");
        if (input.MaxRunningRequests is < 1)
            throw new EngineStartException($"--max-running-requests must be at least 1, got {input.MaxRunningRequests}.");
        if (input.MaxTotalTokens is < 1) throw new EngineStartException($"--max-total-tokens must be at least 1, got {input.MaxTotalTokens}.");

        long leftOver = (long)(input.TotalMemory * (1 - fraction));
        if (!input.IsCpu && leftOver < input.ActivationBytes + (GpuOverheadBytes / 4))
        {
            throw new EngineStartException(
                $"--mem-fraction-static {Short(fraction)} leaves {Gib(leftOver)} of {Gib(input.TotalMemory)} for activations, which take {Gib(input.ActivationBytes)}, " +
                $"and working memory: lower it, --chunked-prefill-size or --max-running-requests.");
        }

        // On a GPU other programs' memory counts against the fraction of the total; on a CPU the fraction is of what is free now.
        long budget = input.IsCpu
            ? (long)(input.FreeMemory * fraction)
            : input.FreeMemory - leftOver;
        long forCache = budget - input.WeightBytes - (input.IsCpu ? input.ActivationBytes : 0);
        long tokens = Math.Max(0, forCache) / input.KvBytesPerToken;
        if (input.IsCpu && input.MaxTotalTokens is null)
            tokens = Math.Min(tokens, (long)(input.MaxRunningRequests ?? DefaultCpuRunningRequests) * input.ContextLength);
        if (input.MaxTotalTokens is { } limit) tokens = Math.Min(tokens, limit);
        tokens = Math.Min(tokens, int.MaxValue / 2);
        int pages = (int)(tokens / input.PageSize);
        // The smallest pool that can run anything: a page for a prompt, one for its answer and the one that admission keeps (spec/scheduler.md 1),
        // and as for a context the six tokens that are kept back.
        const int SmallestPages = 3, SmallestTokens = 8;
        int smallest = Math.Max(SmallestPages, (SmallestTokens + input.PageSize - 1) / input.PageSize);
        if (pages < smallest)
        {
            long wanted = input.WeightBytes + input.ActivationBytes + (input.ContextLength * input.KvBytesPerToken);
            throw new EngineStartException(input.MaxTotalTokens is { } max && max < (long)smallest * input.PageSize
                ? $"--max-total-tokens {max} leaves {pages} pages of {input.PageSize} tokens; at least {smallest} pages are needed: raise it or lower --page-size."
                : $"No memory is left for the KV cache: weights take {Gib(input.WeightBytes)}, activations {Gib(input.ActivationBytes)}, and " +
                  $"--mem-fraction-static {Short(fraction)} allows {Gib(budget)} of {Gib(input.FreeMemory)} free. " +
                  $"One full context needs {Gib(wanted)}: raise --mem-fraction-static, lower --context-length, or free memory.");
        }

        int total = pages * input.PageSize;
        int running = input.IsCpu ? DefaultCpuRunningRequests : Math.Clamp((int)((double)total / input.ContextLength * 512), 2048, MostGpuRunningRequests);
        running = Math.Max(1, Math.Min(input.MaxRunningRequests ?? running, total / 2));
        return new MemoryPlan { MemFractionStatic = fraction, NumPages = pages, MaxTotalTokens = total, MaxRunningRequests = running };
    }

    /// <summary>Most requests that run at once where the user sets no limit, before the pool's size is known.</summary>
    public static int DefaultRunningRequests(bool isCpu) => isCpu ? DefaultCpuRunningRequests : MostGpuRunningRequests;

    /// <summary>All but activations and overhead, in thousandths.</summary>
    private static double DefaultGpuFractionOf(MemoryPlanInput input)
    {
        double fraction = 1 - ((input.ActivationBytes + GpuOverheadBytes) / (double)input.TotalMemory);
        return Math.Clamp(Math.Floor(fraction * 1000) / 1000, 0.001, MostGpuFraction);
    }

    private static string Short(double fraction) => fraction.ToString("0.###", CultureInfo.InvariantCulture);

    internal static string Gib(long bytes) => (bytes / (double)(1L << 30)).ToString("0.00", CultureInfo.InvariantCulture) + " GiB";
}
