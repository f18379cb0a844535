using SgLang.Core;

namespace SgLang.Scheduling.Tests;

public sealed class PauseTests(ITestOutputHelper output)
{
    [Fact]
    public void Nothing_is_planned_in_a_pause_and_requests_are_taken_and_aborted()
    {
        var harness = new Harness(Harness.Options());
        Request running = harness.Add("running", Harness.Prompt(10), maxNew: 5);
        harness.Step();
        harness.Scheduler.Pause();
        Request late = harness.Add("late", Harness.Prompt(3, 100), maxNew: 2), unwanted = harness.Add("unwanted", [7]);
        for (int i = 0; i < 3; i++) Assert.Null(harness.Step());
        harness.Scheduler.Abort(unwanted, FinishReason.Abort("enough"));
        harness.After("abort");
        Assert.True(harness.Scheduler.Stats.IsPaused);
        Assert.Equal((1, 1), (harness.Scheduler.Stats.NumRunning, harness.Scheduler.Stats.NumWaiting));
        Assert.Equal(3, late.Timeline!.Waited(harness.Scheduler.Log)[(int)WaitCause.Paused]);

        harness.Scheduler.Resume();
        harness.Drain();
        harness.AssertIdleAndWhole();
        Assert.False(harness.Scheduler.Stats.IsPaused);
        Assert.Equal((5, 2), (harness.Streams[running].Count, harness.Streams[late].Count));
        Assert.Equal(FinishKind.Abort, harness.Finishes[unwanted].Kind);
    }

    [Fact]
    public void No_request_times_out_in_a_pause()
    {
        var harness = new Harness(Harness.Options() with { WaitingTimeout = TimeSpan.Zero, RunningTimeout = TimeSpan.Zero });
        harness.Scheduler.Pause();
        Request request = harness.Add("a", [1, 2, 3]);
        Assert.Null(harness.Step());
        Assert.Equal(RequestState.Queued, request.State);
        harness.Scheduler.Resume();
        harness.Drain();
        Assert.Equal(503, harness.Finishes[request].StatusCode);
    }

    [Fact]
    public void After_a_pause_the_reason_to_wait_is_another()
    {
        var harness = new Harness(Harness.Options(maxRunning: 1));
        harness.Add("running", [1, 2, 3]);
        Request late = harness.Add("late", [4, 5, 6]);
        for (int i = 0; i < 3; i++) harness.Step();
        harness.Scheduler.Pause();
        harness.Step();
        harness.Scheduler.Resume();
        for (int i = 0; i < 3; i++) harness.Step();
        WaitCounts waited = late.Timeline!.Waited(harness.Scheduler.Log);
        Assert.Equal((6, 1), (waited[(int)WaitCause.NoRow], waited[(int)WaitCause.Paused]));
    }

    [Fact]
    public void Suspending_is_refused_while_a_plan_is_uncommitted()
    {
        var harness = new Harness(Harness.Options(), overlap: true);
        harness.Add("a", [1, 2, 3]);
        harness.Step();
        Assert.Throws<InvalidOperationException>(harness.Scheduler.SuspendAll);
    }

    /// <summary>Pauses of both kinds at random moments, in the middle of chunks too, change no output and lose no page.</summary>
    [Theory]
    [InlineData(1, false)]
    [InlineData(4, true)]
    public void Outputs_are_the_same_with_pauses_as_without(int pageSize, bool mixed)
    {
        int seed = new Random().Next();
        output.WriteLine($"seed {seed}");
        Dictionary<string, List<int>> plain = Run(pauses: false), paused = Run(pauses: true);
        Assert.Equal(60, paused.Count);
        Assert.All(plain, pair => Assert.Equal(pair.Value, paused[pair.Key]));

        Dictionary<string, List<int>> Run(bool pauses)
        {
            var random = new Random(seed);
            var moments = new Random(seed + 1);
            var harness = new Harness(Harness.Options(400, pageSize) with { ChunkedPrefillSize = 8 * pageSize, EnableMixedChunk = mixed }, overlap: true);
            int suspended = 0;
            for (int added = 0; added < 60 || !harness.Scheduler.IsIdle;)
            {
                if (added < 60 && random.Next(3) == 0) harness.Add($"r{added++}", Harness.Prompt(1 + random.Next(100), random.Next(5) * 1000), maxNew: 1 + random.Next(30));
                harness.Step();
                if (!pauses || moments.Next(20) > 0) continue;
                harness.Scheduler.Pause();
                for (int i = 0; i < 3; i++) Assert.Null(harness.Step());
                if (moments.Next(2) == 0)
                {
                    suspended += harness.Scheduler.Stats.NumRunning;
                    harness.Scheduler.SuspendAll();
                    harness.After("suspend");
                    Assert.Equal((0, 0), (harness.Scheduler.Stats.NumRunning, harness.Scheduler.Stats.ProtectedTokens));
                }
                harness.Scheduler.Resume();
            }
            Assert.Equal(pauses, suspended > 0);
            harness.AssertIdleAndWhole();
            return harness.Streams.ToDictionary(pair => pair.Key.Rid, pair => pair.Value);
        }
    }
}
