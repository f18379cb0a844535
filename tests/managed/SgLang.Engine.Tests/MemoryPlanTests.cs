namespace SgLang.Engine.Tests;

public sealed class MemoryPlanTests
{
    private const long Gib = 1L << 30;

    private static readonly MemoryPlanInput s_gpu = new()
    {
        IsCpu = false, TotalMemory = 80 * Gib, FreeMemory = 79 * Gib, WeightBytes = 16 * Gib, ActivationBytes = Gib, KvBytesPerToken = 131072,
        ContextLength = 8192, PageSize = 16, MemFractionStatic = 0.8,
    };

    [Fact]
    public void The_cache_gets_what_the_fraction_leaves_after_the_weights()
    {
        MemoryPlan plan = MemoryPlan.Make(s_gpu);
        // free - total * (1 - fraction) - weights, in whole pages.
        long bytes = (79 * Gib) - (long)(80 * Gib * (1 - 0.8)) - (16 * Gib);
        Assert.Equal(bytes / 131072 / 16, plan.NumPages);
        Assert.Equal(plan.NumPages * 16, plan.MaxTotalTokens);
        Assert.Equal(4096, plan.MaxRunningRequests);
    }

    [Fact]
    public void Limits_of_the_user_cap_the_pool_and_the_batch()
    {
        MemoryPlan plan = MemoryPlan.Make(s_gpu with { MaxTotalTokens = 1000, MaxRunningRequests = 7 });
        Assert.Equal((62, 992, 7), (plan.NumPages, plan.MaxTotalTokens, plan.MaxRunningRequests));
        Assert.Equal(496, MemoryPlan.Make(s_gpu with { MaxTotalTokens = 1000 }).MaxRunningRequests);
    }

    [Fact]
    public void A_cpu_pool_holds_no_more_than_its_batch_can_fill()
    {
        MemoryPlan plan = MemoryPlan.Make(s_gpu with { IsCpu = true, KvBytesPerToken = 100, ContextLength = 100, MaxRunningRequests = 4 });
        Assert.Equal(400, plan.MaxTotalTokens);
    }

    [Fact]
    public void A_gpu_keeps_room_for_activations()
    {
        // By default all but activations and 2 GiB, and never more than 0.92.
        Assert.Equal(0.92, MemoryPlan.Make(s_gpu with { MemFractionStatic = null }).MemFractionStatic);
        Assert.Equal(0.85, MemoryPlan.Make(s_gpu with { MemFractionStatic = null, ActivationBytes = 10 * Gib }).MemFractionStatic);
        EngineStartException error = Assert.Throws<EngineStartException>(() => MemoryPlan.Make(s_gpu with { MemFractionStatic = 0.98, ActivationBytes = 3 * Gib }));
        Assert.Contains("--mem-fraction-static 0.98 leaves 1.60 GiB of 80.00 GiB for activations, which take 3.00 GiB", error.Message);
        Assert.Contains("--chunked-prefill-size", error.Message);
    }

    [Theory]
    [InlineData(1, 8)]
    [InlineData(3, 9)]
    [InlineData(16, 48)]
    public void The_smallest_pool_serves_one_token_and_a_smaller_one_is_refused(int pageSize, int tokens)
    {
        Assert.Equal(tokens, MemoryPlan.Make(s_gpu with { PageSize = pageSize, MaxTotalTokens = tokens }).MaxTotalTokens);
        EngineStartException error = Assert.Throws<EngineStartException>(() => MemoryPlan.Make(s_gpu with { PageSize = pageSize, MaxTotalTokens = tokens - 1 }));
        Assert.Equal($"--max-total-tokens {tokens - 1} leaves {(tokens / pageSize) - 1} pages of {pageSize} tokens; at least {tokens / pageSize} pages are needed: raise it or lower --page-size.", error.Message);
    }

    [Fact]
    public void Nothing_left_for_the_cache_says_what_to_change()
    {
        EngineStartException error = Assert.Throws<EngineStartException>(() => MemoryPlan.Make(s_gpu with { WeightBytes = 70 * Gib }));
        Assert.Contains("--mem-fraction-static", error.Message);
        Assert.Contains("70.00 GiB", error.Message);
        Assert.Contains("--max-total-tokens", Assert.Throws<EngineStartException>(() => MemoryPlan.Make(s_gpu with { MaxTotalTokens = 2 })).Message);
        Assert.Contains("--mem-fraction-static", Assert.Throws<EngineStartException>(() => MemoryPlan.Make(s_gpu with { MemFractionStatic = 1.5 })).Message);
        Assert.Contains("--max-running-requests", Assert.Throws<EngineStartException>(() => MemoryPlan.Make(s_gpu with { MaxRunningRequests = 0 })).Message);
    }
}
