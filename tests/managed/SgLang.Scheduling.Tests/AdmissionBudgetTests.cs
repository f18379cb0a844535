namespace SgLang.Scheduling.Tests;

public sealed class AdmissionBudgetTests
{
    [Fact]
    public void Memory_counts_the_prompt_the_future_and_one_page()
    {
        var budget = new AdmissionBudget(new KvCache(Harness.Options(10_000, 1)), 16384, -1, mixedTokens: 0, mixedMemory: 0, runningReserve: 0);
        Assert.Equal(10_000, budget.RemainingTotal);
        budget.Charge(4000, 4000);
        Assert.Equal(10_000 - 8001, budget.RemainingTotal);
        Assert.Equal(10_000 - 4001, budget.RemainingCurrent);
        Assert.Equal(AdmissionStatus.Continue, budget.Status);
    }

    [Fact]
    public void Running_requests_reserve_their_share()
    {
        var cache = new KvCache(Harness.Options(10_000, 1));
        for (int i = 0; i < 4000; i++) cache.Pool.Allocate();
        var budget = new AdmissionBudget(cache, 16384, -1, 0, 0, runningReserve: 4000 * 0.7);
        Assert.Equal(3200, budget.RemainingTotal);
    }

    [Fact]
    public void A_huge_maximum_counts_as_4096_or_as_the_options_say()
    {
        SchedulerOptions options = Harness.Options();
        Assert.Equal(4096, options.ClipNewTokens(100_000));
        Assert.Equal(17, options.ClipNewTokens(17));
        Assert.Equal(0, options.ClipNewTokens(-3));
        Assert.Equal(50, (options with { ClipMaxNewTokensEstimation = 50 }).ClipNewTokens(100_000));
    }

    [Fact]
    public void New_tokens_are_rounded_up_to_pages()
    {
        var budget = new AdmissionBudget(new KvCache(Harness.Options(100, 16)), 512, 256, 0, 0, 0);
        budget.Charge(17, 10);
        Assert.Equal(1600 - 32 - 10 - 16, budget.RemainingTotal);
        Assert.Equal(512 - 32, budget.RemainingInput);
        Assert.Equal(256 - 32, budget.RemainingChunk);
    }

    [Fact]
    public void Mixed_decode_tokens_take_their_part_of_the_chunk_and_of_memory()
    {
        var budget = new AdmissionBudget(new KvCache(Harness.Options(100, 16)), 512, 256, mixedTokens: 5, mixedMemory: 32, runningReserve: 0);
        Assert.Equal((1568, 1568, 507, 251), (budget.RemainingTotal, budget.RemainingCurrent, budget.RemainingInput, budget.RemainingChunk));
    }

    [Theory]
    [InlineData(8, -1, (int)AdmissionStatus.NoToken)]
    [InlineData(1000, -1, (int)AdmissionStatus.Other)]
    [InlineData(1000, 8, (int)AdmissionStatus.Other)]
    public void The_status_names_what_ran_out(int capacity, int chunk, int expected)
    {
        var budget = new AdmissionBudget(new KvCache(Harness.Options(capacity, 1)), 8, chunk, 0, 0, 0);
        budget.Charge(8, 0);
        Assert.Equal((AdmissionStatus)expected, budget.Status);
    }
}
