using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using SgLang.Core;

namespace SgLang.Scheduling.Tests;

/// <summary>Random streams of requests, aborts, pauses, stop strings and early EOS over every kind of configuration.</summary>
public sealed class SchedulerStreamTests
{
    private const int EosId = 999_999;

    [Property(MaxTest = 120)]
    public Property Every_stream_ends_each_request_once_with_the_tokens_of_its_own_history() =>
        Prop.ForAll(Arb.From(Gen.Choose(0, int.MaxValue)), Run);

    /// <summary>As many seeds as SGL_FUZZ_CASES says, from SGL_FUZZ_SEED on.</summary>
    [Fact(Explicit = true)]
    public void A_long_fuzz_finds_nothing()
    {
        int count = int.Parse(Environment.GetEnvironmentVariable("SGL_FUZZ_CASES") ?? "5000");
        int seed = int.Parse(Environment.GetEnvironmentVariable("SGL_FUZZ_SEED") ?? "1");
        for (int i = 0; i < count; i++) Run(seed + i);
    }

    /// <summary>The property above would prove little if its scenarios never met these.</summary>
    [Fact]
    public void The_scenarios_reach_every_mechanism()
    {
        var reached = new SortedDictionary<string, int>();
        for (int seed = 0; seed < 60; seed++)
        {
            Scenario scenario = Scenario.Random(seed);
            void Reach(string what, bool isReached) => reached[what] = reached.GetValueOrDefault(what) + (isReached ? 1 : 0);
            Play(scenario, overlap: true, withInterference: seed % 2 == 0, (harness, plan) =>
            {
                SchedulerStats stats = harness.Scheduler.Stats;
                Reach("retraction", stats.NumRetracted > 0);
                Reach("eviction", stats.EvictedTokens > 0);
                Reach("cache hit", plan.NumCachedTokens > 0);
                Reach("dropped token", stats.DroppedTokens > 0);
                Reach(scenario.Options.Policy.ToString(), true);
                Reach("mixed step", plan.Kind == StepKind.Mixed);
                Reach("decode step", plan.Kind == StepKind.Decode);
                Reach("token from the device", plan.TokenSources.ContainsAnyInRange(int.MinValue, -1));
                Reach("middle chunk", plan.NumSamples < plan.NumRequests);
                Reach("input logprobs", plan.HasInputLogprobs);
                foreach (Request request in plan.Requests)
                {
                    Reach("resumption", request.NumRetractions > 0);
                    Reach("suspension", request.Timeline!.Entries.ToArray().Any(entry => entry.Event == RequestEvent.Suspended));
                    Reach("preemption", request.Timeline!.Entries.ToArray().Any(entry => entry.Event == RequestEvent.Preempted));
                    for (int cause = 0; cause < WaitCounts.NumCauses; cause++) Reach(((WaitCause)cause).ToString(), harness.Scheduler.Log.Counts[cause] > 0);
                }
                foreach (FinishReason finish in harness.Finishes.Values) Reach(finish.Kind.ToString(), true);
            });
        }
        TestContext.Current.TestOutputHelper!.WriteLine(string.Join(", ", reached));
        Assert.All(reached, pair => Assert.True(pair.Value > 0, $"{string.Join(", ", reached)}"));
        Assert.Equal(4, reached.Keys.Count(key => Enum.TryParse(key, out FinishKind _)));
    }

    private static bool Run(int seed)
    {
        Scenario scenario = Scenario.Random(seed);
        try
        {
            Outcome plain = Play(scenario, overlap: false, withInterference: false);
            Outcome overlapped = Play(scenario, overlap: true, withInterference: false);
            foreach ((string rid, string output) in plain.Outputs) // a full queue refuses others when steps fall differently
                if (overlapped.Outputs.TryGetValue(rid, out string? other) && !output.Contains("queue is full") && !other.Contains("queue is full"))
                    Assert.Equal(output, other);
            Play(scenario, overlap: false, withInterference: true);
            Outcome first = Play(scenario, overlap: true, withInterference: true);
            Outcome second = Play(scenario, overlap: true, withInterference: true);
            Assert.Equal(first.PlanDigest, second.PlanDigest);
            Assert.Equal(first.Outputs, second.Outputs);
            return true;
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            throw new InvalidOperationException($"seed {seed}: {scenario}\n{exception.Message}", exception);
        }
    }

    /// <summary>Plays the arrivals; with interference requests are also aborted, paused and cut by stop strings at random moments.</summary>
    private static Outcome Play(Scenario scenario, bool overlap, bool withInterference, Action<Harness, StepPlan>? onPlan = null)
    {
        var harness = new Harness(scenario.Options, overlap, scenario.EosEvery, EosId);
        if (onPlan is not null) harness.OnPlan = plan => onPlan(harness, plan);
        var random = new Random(scenario.Seed ^ 77);
        var requests = new List<Request>();
        var cut = new Dictionary<Request, int>();
        int next = 0;
        for (int step = 0; next < scenario.Arrivals.Count || !harness.Scheduler.IsIdle; step++)
        {
            Assert.True(step < 20_000, $"no end in sight: {harness.Scheduler.Stats}");
            while (next < scenario.Arrivals.Count && scenario.Arrivals[next].AtStep <= step)
            {
                Arriving arriving = scenario.Arrivals[next++];
                Request request = Harness.Make($"r{next}.", arriving.Prompt, arriving.MaxNew, arriving.IgnoreEos ? [] : [EosId],
                    arriving.LogprobStart is { } start ? new LogprobOptions { StartLength = start } : null, arriving.MinNew, arriving.IgnoreEos, arriving.Priority);
                if (!harness.Scheduler.TryEnqueue(request, out FinishReason refusal))
                {
                    Assert.True(refusal.StatusCode is 400 or 503, refusal.ToString());
                    Assert.True(refusal.StatusCode == 503 || arriving.Prompt.Length >= scenario.Options.MaxRequestInputLength, refusal.ToString());
                    continue;
                }
                harness.Streams[request] = [];
                requests.Add(request);
                harness.After("enqueue");
            }
            if (withInterference && requests.Count > 0) Interfere(harness, random, requests, cut);
            harness.Step();
        }
        harness.AssertIdleAndWhole();

        var outputs = new Dictionary<string, string>();
        foreach (Request request in requests)
        {
            FinishReason finish = harness.Finishes[request];
            int[] expected = harness.Model.Expected(request, request.MaxNewTokens);
            int[] stream = [.. harness.Streams[request]];
            Assert.Equal(expected[..stream.Length], stream);
            if (cut.TryGetValue(request, out int length) && finish.Kind == FinishKind.StopString)
                Assert.Equal(expected[..length], request.OutputIds.ToArray());
            else
                Assert.Equal(stream, request.OutputIds.ToArray());
            if (finish.Kind is FinishKind.Length or FinishKind.StopToken) Assert.Equal(expected.Length, stream.Length);
            if (finish.Kind == FinishKind.Length) Assert.Equal(request.MaxNewTokens, stream.Length);
            if (finish.Kind == FinishKind.StopToken) Assert.Equal(EosId, stream[^1]);
            if (!withInterference && finish.Kind == FinishKind.Abort)
                Assert.True(finish.StatusCode == 503 && scenario.Options is { EnablePriorityScheduling: true, MaxQueuedRequests: not null }, finish.ToString());
            AssertTells(request, finish);
            outputs.Add(request.Rid, $"{finish} {string.Join(',', request.OutputIds.ToArray())}");
        }
        return new Outcome(outputs, harness.PlanDigest);
    }

    /// <summary>A time line begins with queueing, ends with the end, and its waits and stays add up.</summary>
    private static void AssertTells(Request request, FinishReason finish)
    {
        RequestTimeline timeline = request.Timeline!;
        TimelineEntry[] entries = timeline.Entries.ToArray();
        Assert.Equal(RequestEvent.Queued, entries[0].Event);
        Assert.Equal(RequestEvent.Finished, entries[^1].Event);
        Assert.Equal(finish, timeline.Finish);
        Assert.Equal((request.OutputLength, request.CachedTokens), (timeline.OutputTokens, timeline.CachedTokens));
        Assert.Equal(entries.OrderBy(entry => entry.Time).Select(entry => entry.Time), entries.Select(entry => entry.Time));
        int Count(RequestEvent what) => entries.Count(entry => entry.Event == what);
        if (timeline.OmittedEntries > 0) return;
        Assert.Equal(request.NumRetractions, Count(RequestEvent.Retracted) + Count(RequestEvent.Preempted) + Count(RequestEvent.Suspended));
        Assert.Equal(request.NumRetractions + 1, Count(RequestEvent.Queued));
        Assert.InRange(Count(RequestEvent.Admitted), request.NumRetractions, request.NumRetractions + 1);
        Assert.True(Count(RequestEvent.Prefill) >= Count(RequestEvent.Admitted));
    }

    private static void Interfere(Harness harness, Random random, List<Request> requests, Dictionary<Request, int> cut)
    {
        Request request = requests[random.Next(requests.Count)];
        switch (random.Next(100))
        {
            case 0:
                harness.Scheduler.Abort(request.Rid, "aborted by the user");
                break;
            case 1:
                harness.Scheduler.Abort(request, FinishReason.Abort("gone"));
                break;
            case 2 or 3 or 4 when request.State != RequestState.Finished && request.OutputLength > 0:
                cut[request] = 1 + random.Next(request.OutputLength);
                harness.Scheduler.FinishAt(request, cut[request], FinishReason.StopString("END"));
                break;
            case 5 when random.Next(10) == 0:
                harness.Scheduler.AbortAll("everything");
                break;
            case 6:
                harness.Scheduler.Pause();
                while (harness.Scheduler.Outstanding.Any()) Assert.Null(harness.Step());
                Assert.Null(harness.Step());
                if (random.Next(2) == 0) harness.Scheduler.SuspendAll();
                harness.Scheduler.Resume();
                break;
        }
        harness.After("interference");
    }

    private sealed record Outcome(Dictionary<string, string> Outputs, ulong PlanDigest);

    private sealed record Arriving(int AtStep, int[] Prompt, int? MaxNew, int MinNew, bool IgnoreEos, int? LogprobStart, int? Priority);

    private sealed record Scenario(int Seed, SchedulerOptions Options, int EosEvery, List<Arriving> Arrivals)
    {
        public static Scenario Random(int seed)
        {
            var random = new Random(seed);
            var priorities = new Random(seed ^ 4711);
            bool hasPriorities = priorities.Next(3) == 0;
            // Half of them: short prompts and long outputs admitted carelessly, so that decoding runs out of pages.
            bool isTight = random.Next(2) == 0;
            int pageSize = Pick(1, 3, 16);
            int numPages = (isTight ? Pick(80, 120) : Pick(30, 60, 200, 1000)) / pageSize + Pick(1, 4);
            var options = new SchedulerOptions
            {
                PageSize = pageSize,
                NumPages = Math.Max(numPages, 24 / pageSize + 1),
                MaxRunningRequests = isTight ? 16 : Pick(1, 2, 5, 16),
                ContextLength = isTight ? 5000 : Pick(40, 120, 5000),
                ChunkedPrefillSize = Pick(-1, 1, 7, 16, 64),
                MaxPrefillTokens = Pick(10, 100, 16384),
                Policy = hasPriorities ? (SchedulePolicy)Pick((int)SchedulePolicy.Fcfs, (int)SchedulePolicy.Lof) : (SchedulePolicy)random.Next(6),
                EvictionPolicy = (RadixEvictionPolicy)priorities.Next(7),
                RandomSeed = seed,
                EnablePriorityScheduling = hasPriorities,
                LowPriorityValuesFirst = hasPriorities && priorities.Next(2) == 0,
                PriorityPreemptionThreshold = priorities.Next(2) * 10,
                DisablePriorityPreemption = priorities.Next(4) == 0,
                DefaultPriority = priorities.Next(2) == 0 ? 5 : null,
                RetractionPolicy = hasPriorities && priorities.Next(2) == 0 ? RetractionPolicy.Priority : RetractionPolicy.Length,
                PrefillMaxRequests = priorities.Next(4) == 0 ? 2 : null,
                Conservativeness = isTight ? 0.05 : Pick(1, 10, 20) / 10.0,
                EnableMixedChunk = random.Next(2) == 0,
                DisableRadixCache = random.Next(3) == 0,
                MaxQueuedRequests = random.Next(4) == 0 ? 5 : null,
                VocabularySize = random.Next(2) == 0 ? 1_000_000 : 0,
                InBatchPrefixCheckThreshold = Pick(-1, 4, 32),
                InBatchPrefixDeprioritizeThreshold = Pick(-1, 4, 32),
            };
            var arrivals = new List<Arriving>();
            int count = 1 + random.Next(40), step = 0;
            bool isTokenRich = random.Next(2) == 0;
            for (int i = 0; i < count; i++)
            {
                if (random.Next(3) > 0) step += random.Next(6);
                int length = 1 + random.Next(isTight ? 12 : Pick(4, 20, 60));
                // Few distinct beginnings, so that prefixes are shared; sometimes a tiny alphabet, so that they part late.
                int family = random.Next(4);
                int[] prompt = new int[length];
                int common = random.Next(length + 1);
                for (int t = 0; t < length; t++) prompt[t] = t < common ? 100 * family + t : isTokenRich ? random.Next(1000) : random.Next(2);
                var arriving = new Arriving(step, prompt, random.Next(8) == 0 ? null : random.Next(isTight ? 60 : Pick(3, 12, 60)), random.Next(3) == 0 ? random.Next(3) : 0,
                    random.Next(4) == 0, random.Next(4) == 0 ? random.Next(length + 1) : null, priorities.Next(4) == 0 ? null : 10 * priorities.Next(4));
                // Sometimes n above 1: the same prompt several times over.
                for (int copies = priorities.Next(6) == 0 ? 3 : 1; copies > 0; copies--) arrivals.Add(arriving);
            }
            return new Scenario(seed, options, Pick(0, 3, 15), arrivals);

            int Pick(params ReadOnlySpan<int> choices) => choices[random.Next(choices.Length)];
        }

        public override string ToString() => $"{Options}, EOS every {EosEvery}, {Arrivals.Count} arrivals";
    }
}
