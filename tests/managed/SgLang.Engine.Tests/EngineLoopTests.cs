using SgLang.Core;
using SgLang.Scheduling;

namespace SgLang.Engine.Tests;

public sealed class EngineLoopTests
{
    [Fact]
    public async Task A_step_that_throws_ends_its_requests_and_serving_goes_on()
    {
        bool isBroken = true;
        await using InferenceEngine engine = ScriptedEngine.Start((plan, outcome) =>
        {
            if (Volatile.Read(ref isBroken)) throw new InvalidOperationException("out of luck");
            outcome.Ids(plan).Fill(5);
        });
        Collected failed = await Collected.ReadAsync(engine.Submit(ScriptedEngine.Request("a")));
        Assert.Equal((FinishKind.Abort, 500), (failed.Finish.Kind, failed.Finish.StatusCode));
        Assert.Contains("out of luck", failed.Finish.Text);
        Volatile.Write(ref isBroken, false);
        Collected served = await Collected.ReadAsync(engine.Submit(ScriptedEngine.Request("b")));
        Assert.Equal(Enumerable.Repeat(5, 16), served.Ids);
        Assert.True(engine.IsAlive);
    }

    [Fact]
    public async Task A_lost_device_ends_every_request_and_the_engine_says_so()
    {
        await using InferenceEngine engine = ScriptedEngine.Start((plan, outcome) =>
        {
            if (plan.StepId > 20) throw new FatalDeviceException("the device is gone", new InvalidOperationException());
            outcome.Ids(plan).Fill(5);
        });
        Generation[] generations = [.. Enumerable.Range(0, 100).Select(i => engine.Submit(ScriptedEngine.Request($"r{i}", maxNewTokens: 1000)))];
        Collected[] results = await Task.WhenAll(generations.Select(Collected.ReadAsync));
        Assert.All(results, result => Assert.Equal((FinishKind.Abort, 500), (result.Finish.Kind, result.Finish.StatusCode)));
        Assert.False(engine.IsAlive);
        Assert.Equal(503, Assert.Throws<RequestRejectedException>(() => engine.Submit(ScriptedEngine.Request("late"))).StatusCode);
    }

    [Fact]
    public async Task A_reader_with_nothing_to_send_takes_tokens_once_the_forced_interval_has_passed()
    {
        const int Interval = 7;
        TimeSpan deadline = TimeSpan.FromSeconds(60);
        using ManualResetEventSlim isWaiting = new(), isChecked = new();
        Generation? reader = null;
        int step = 0, takenEarly = -1;
        // A step begins when the token of the one before it has arrived.
        await using InferenceEngine engine = ScriptedEngine.Start((plan, outcome) =>
        {
            step++;
            if (step == 1) Assert.True(isWaiting.Wait(deadline), "nobody reads");
            if (step == Interval) takenEarly = reader!.CompletionTokens;
            if (step == Interval + 1) Assert.True(isChecked.Wait(deadline), "the test has ended early");
            outcome.Ids(plan).Fill(5);
        }, new EngineOptions { ModelPath = "scripted", DisableOverlapSchedule = true }, forceStreamInterval: Interval);
        await using Generation generation = reader = engine.Submit(ScriptedEngine.Request("r", maxNewTokens: 40));
        Task<Collected> reading = Collected.ReadAsync(generation);
        isWaiting.Set();
        await Eventually.Is(() => generation.CompletionTokens == Interval, () => $"{generation.CompletionTokens} tokens taken");
        isChecked.Set();
        Assert.Equal(40, (await reading).Ids.Count);
        Assert.Equal(0, takenEarly);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(ReaderWakes.BundleSize)]
    [InlineData((3 * ReaderWakes.BundleSize) + 1)]
    public async Task Every_reader_of_a_batch_is_woken_for_each_of_its_tokens(int readers)
    {
        const int Tokens = 40;
        using CancellationTokenSource deadline = new(TimeSpan.FromSeconds(60));
        using SemaphoreSlim read = new(0);
        int ready = 0;
        // A step ends when all have read the token before, so that each reader waits and must be woken every time.
        await using InferenceEngine engine = ScriptedEngine.Start((plan, outcome) =>
        {
            for (; ready > 0; ready--) Assert.True(read.Wait(TimeSpan.FromSeconds(60)), "a reader was not woken");
            outcome.Ids(plan).Fill(5);
            if (plan.NumRequests == readers && plan.Kind == StepKind.Decode) ready = readers;
        }, new EngineOptions { ModelPath = "scripted", DisableOverlapSchedule = true });
        await Task.WhenAll(Enumerable.Range(0, readers).Select(async i =>
        {
            await using Generation generation = engine.Submit(ScriptedEngine.Request($"r{i}", maxNewTokens: Tokens) with { IsStreaming = true });
            int seen = 0;
            while (await generation.ReadAsync(deadline.Token) is { } chunk)
            {
                seen += chunk.TokenIds.Count;
                read.Release(chunk.TokenIds.Count);
            }
            Assert.Equal(Tokens, seen);
        }));
    }

    [Fact]
    public async Task A_full_queue_answers_503_through_the_stream()
    {
        using ManualResetEventSlim gate = new();
        await using InferenceEngine engine = ScriptedEngine.Start((plan, outcome) =>
        {
            gate.Wait();
            outcome.Ids(plan).Fill(5);
        }, new EngineOptions { ModelPath = "scripted", MaxQueuedRequests = 2 }, maxRunning: 1);
        Task<Collected>[] all = [.. Enumerable.Range(0, 12).Select(i => Collected.ReadAsync(engine.Submit(ScriptedEngine.Request($"r{i}", maxNewTokens: 1))))];
        gate.Set(); // not before: whether the loop has taken them yet or not, at most one runs and two wait
        Collected[] results = await Task.WhenAll(all);
        Assert.Contains(results, result => result.Finish is { Kind: FinishKind.Abort, StatusCode: 503 });
        Assert.Contains(results, result => result.Finish.Kind == FinishKind.Length);
    }

    [Fact]
    public async Task Draining_refuses_newcomers_and_lets_the_running_finish()
    {
        await using InferenceEngine engine = ScriptedEngine.Start((plan, outcome) => outcome.Ids(plan).Fill(5));
        Generation running = engine.Submit(ScriptedEngine.Request("a", maxNewTokens: 2000));
        Task drained = engine.DrainAsync();
        Assert.Equal(503, Assert.Throws<RequestRejectedException>(() => engine.Submit(ScriptedEngine.Request("b"))).StatusCode);
        Collected result = await Collected.ReadAsync(running);
        await drained;
        Assert.Equal(2000, result.Ids.Count);
    }

    [Fact]
    public async Task Stopping_the_engine_ends_what_runs()
    {
        InferenceEngine engine = ScriptedEngine.Start((plan, outcome) => outcome.Ids(plan).Fill(5));
        Generation running = engine.Submit(ScriptedEngine.Request("a", maxNewTokens: 4000));
        Task<Collected> reading = Collected.ReadAsync(running);
        await engine.DisposeAsync();
        Assert.Equal(FinishKind.Abort, (await reading).Finish.Kind);
    }

    [Fact]
    public async Task Whatever_races_with_the_end_of_the_engine_is_answered()
    {
        for (int round = 0; round < 20; round++)
        {
            InferenceEngine engine = ScriptedEngine.Start((plan, outcome) => outcome.Ids(plan).Fill(5));
            Task<int> submitting = Task.Run(async () =>
            {
                List<Task<Collected>> readers = [];
                try
                {
                    for (int i = 0; i < 10_000; i++) readers.Add(Collected.ReadAsync(engine.Submit(ScriptedEngine.Request($"r{i}", maxNewTokens: 500))));
                }
                catch (RequestRejectedException refused)
                {
                    Assert.Equal(503, refused.StatusCode);
                }
                await Task.WhenAll(readers);
                return readers.Count;
            });
            while (engine.Stats.NumRequests < 1 + round) await Task.Yield();
            await engine.DisposeAsync();
            Assert.True(await submitting > 0);
            Assert.False(await engine.FlushCacheAsync(TimeSpan.Zero).WaitAsync(TimeSpan.FromSeconds(30)));
        }
    }

    [Fact]
    public async Task A_steady_decode_step_allocates_nothing_on_the_engine_and_rank_threads()
    {
        const int FirstMeasured = 400, LastMeasured = 900;
        long rankBytes = 0, rankLeast = long.MaxValue;
        AllocationProbe probe = new();
        await using InferenceEngine engine = ScriptedEngine.Start((plan, outcome) =>
        {
            if (plan.StepId is >= FirstMeasured and <= LastMeasured && plan.StepId % 50 == 0)
            {
                long bytes = GC.GetAllocatedBytesForCurrentThread();
                if (plan.StepId > FirstMeasured) rankLeast = Math.Min(rankLeast, bytes - rankBytes);
                rankBytes = bytes;
            }
            outcome.Ids(plan).Fill((int)(plan.StepId % 100));
        }, logger: probe);
        Generation[] generations = [.. Enumerable.Range(0, 32).Select(i => engine.Submit(ScriptedEngine.Request($"r{i}", maxNewTokens: 1200)))];
        await Task.WhenAll(generations.Select(Collected.ReadAsync));
        Assert.Equal(0, rankLeast);
        Assert.True(probe.Samples.Count > 20, $"{probe.Samples.Count} samples");
        // Between the 10th and the 20th line of the decode log, 40 steps apart each, nothing starts or ends. As in Allocation.Of the least counts.
        Assert.Equal(0, Enumerable.Range(10, 10).Min(i => probe.Samples[i + 1] - probe.Samples[i]));
    }

    [Fact]
    public async Task Times_of_decode_steps_are_kept_by_batch_size_where_asked_for()
    {
        await using InferenceEngine engine = ScriptedEngine.Start(static (plan, outcome) =>
        {
            outcome.Ids(plan).Fill(1);
            Thread.Sleep(3);
        }, new EngineOptions { ModelPath = "scripted", PageSize = 16, RecordStepTimes = true });
        await Collected.ReadAsync(engine.Submit(ScriptedEngine.Request("one", maxNewTokens: 300)));
        Assert.Equal([1], engine.ReplicaStats[0].StepTimes!.Keys);
        float[] alone = engine.ReplicaStats[0].StepTimes![1];
        Assert.Equal(StepTimes.Kept, alone.Length);
        // A step takes from the end of the one before it, so that together they take as long as the rank has slept, however late one was looked at.
        Assert.All(alone, seconds => Assert.True(seconds > 0));
        Assert.True(alone.Sum() >= 0.003f * (StepTimes.Kept - 6), $"{alone.Sum()} s");
        await Task.WhenAll(Enumerable.Range(0, 3).Select(i => Collected.ReadAsync(engine.Submit(ScriptedEngine.Request($"r{i}", maxNewTokens: 20)))));
        Assert.Contains(engine.ReplicaStats[0].StepTimes!.Keys, batch => batch > 1);
    }

    [Fact]
    public async Task Thousands_of_short_requests_end_exactly_once_each()
    {
        await using InferenceEngine engine = ScriptedEngine.Start((plan, outcome) =>
        {
            for (int i = 0; i < plan.NumSamples; i++) outcome.Ids(plan)[i] = plan.KvLength[plan.SampleIndex[i]] % ScriptedEngine.VocabularySize;
        }, numPages: 256);
        Random random = new(7);
        Task<Collected>[] all = [.. Enumerable.Range(0, 3000).Select(i =>
            Collected.ReadAsync(engine.Submit(ScriptedEngine.Request($"r{i}", random.Next(1, 200), random.Next(1, 40)))))];
        Collected[] results = await Task.WhenAll(all);
        Random again = new(7);
        foreach (Collected result in results)
        {
            int prompt = again.Next(1, 200), wanted = again.Next(1, 40);
            Assert.Equal(Enumerable.Range(prompt, wanted).Select(length => length % ScriptedEngine.VocabularySize), result.Ids);
        }
        Assert.True(await engine.FlushCacheAsync(TimeSpan.FromSeconds(30)));
        Assert.Equal(0, engine.Stats.UsedTokens);
    }

    [Fact]
    public async Task An_engine_that_stops_delivers_every_token_it_has_counted_before_the_end()
    {
        int seed = Random.Shared.Next();
        Random random = new(seed);
        for (int round = 0; round < 20; round++)
        {
            InferenceEngine engine = ScriptedEngine.Start((plan, outcome) =>
            {
                for (int i = 0; i < plan.NumSamples; i++) outcome.Ids(plan)[i] = plan.KvLength[plan.SampleIndex[i]] % ScriptedEngine.VocabularySize;
            });
            Generation[] generations = [.. Enumerable.Range(0, 48).Select(i => engine.Submit(ScriptedEngine.Request($"r{i}", maxNewTokens: 3000) with { IsStreaming = i % 2 == 0 }))];
            Task<Collected>[] readers = [.. generations.Select(Collected.ReadAsync)];
            long steps = random.Next(2, 200);
            while (engine.Stats.NumSteps < steps) await Task.Yield();
            await engine.DisposeAsync();
            Collected[] results = await Task.WhenAll(readers);
            for (int i = 0; i < results.Length; i++)
            {
                Assert.Equal(FinishKind.Abort, results[i].Finish.Kind);
                Assert.True(generations[i].Scheduled.OutputLength == results[i].Ids.Count, $"seed {seed}: {results[i].Ids.Count} tokens of {generations[i].Scheduled.OutputLength}");
                Assert.Equal(Enumerable.Range(8, results[i].Ids.Count).Select(length => length % ScriptedEngine.VocabularySize), results[i].Ids);
            }
        }
    }
}
