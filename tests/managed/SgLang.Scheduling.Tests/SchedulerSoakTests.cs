using SgLang.Core;

namespace SgLang.Scheduling.Tests;

public sealed class SchedulerSoakTests
{
    /// <summary>Traffic that reaches every mechanism, without an end in the scheduler's own state.</summary>
    [Theory]
    [InlineData(1, false, 20_000, 1)]
    [InlineData(16, true, 20_000, 1)]
    [InlineData(16, true, 10_000, 2)]
    [InlineData(1, true, 10_000, 4)]
    public void Nothing_leaks_in_a_long_run(int pageSize, bool overlap, int numSteps, int microBatches) =>
        Soak(pageSize, overlap, numSteps, checkEvery: 10, seed: 5, microBatches);

    [Fact(Explicit = true)]
    public void Nothing_leaks_in_a_million_steps() => Soak(16, overlap: true, 1_000_000, checkEvery: 1, seed: 6);

    private static void Soak(int pageSize, bool overlap, int numSteps, int checkEvery, int seed, int microBatches = 1)
    {
        var options = new SchedulerOptions
        {
            MaxRunningRequests = 12, NumPages = 800 / pageSize, PageSize = pageSize, ContextLength = 300, ChunkedPrefillSize = 48,
            Policy = SchedulePolicy.Lpm, Conservativeness = 0.3, EnableMixedChunk = true, VocabularySize = 1_000_000,
            NumMicroBatches = microBatches,
        };
        var harness = new Harness(options, overlap, eosEvery: 40) { ChecksInvariants = false };
        var random = new Random(seed);
        var live = new List<Request>();
        int number = 0;
        for (int step = 0; step < numSteps; step++)
        {
            if (harness.Scheduler.Stats.NumWaiting < 20 && random.Next(3) == 0)
            {
                int[] prompt = new int[1 + random.Next(120)];
                int family = random.Next(8);
                for (int t = 0; t < prompt.Length; t++) prompt[t] = t < prompt.Length * 3 / 4 ? family * 1000 + t : random.Next(100);
                live.Add(harness.Add($"r{number++}", prompt, 1 + random.Next(80), [999_999]));
            }
            if (live.Count > 0 && random.Next(30) == 0) harness.Scheduler.Abort(live[random.Next(live.Count)], FinishReason.Abort("gone"));
            harness.Step();
            if (step % checkEvery == 0)
            {
                List<string> violations = Invariants.Check(harness.Scheduler);
                Assert.True(violations.Count == 0, $"seed {seed}, step {step}: {string.Join('\n', violations.Take(5))}");
            }
            foreach (Request request in live.Where(r => r.State == RequestState.Finished).ToArray()) Forget(request);
        }
        harness.Drain();
        foreach (Request request in live.ToArray()) Forget(request);
        harness.AssertIdleAndWhole();
        SchedulerStats stats = harness.Scheduler.Stats;
        Assert.True(stats.NumRetracted > 0 && stats.EvictedTokens > 0 && stats.CachedTokens > 0 && stats.NumAborted > 0, stats.ToString());
        Assert.True(!overlap || stats.DroppedTokens > 0, stats.ToString());

        void Forget(Request request)
        {
            harness.After("soak");
            Assert.Equal(harness.Model.Expected(request, request.MaxNewTokens)[..request.OutputLength], request.OutputIds.ToArray());
            live.Remove(request);
            harness.Streams.Remove(request);
            harness.Finishes.Remove(request);
        }
    }
}
