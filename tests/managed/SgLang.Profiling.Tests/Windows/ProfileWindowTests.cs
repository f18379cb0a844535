namespace SgLang.Profiling.Tests.Windows;

public class ProfileWindowTests
{
    private static ProfileOptions Options(int? steps = null, long? start = null, long? after = null, params TraceStage[] stages) =>
        new() { OutputDirectory = "/x", Id = "1", NumSteps = steps, StartStep = start, StartAfterSteps = after, Stages = stages };

    /// <summary>Launches steps as the engine does, each before the one before it has finished, and returns those recorded.</summary>
    private static List<long> Run(ProfileWindow window, long first, int count, Func<long, StepMode>? mode = null)
    {
        List<long> recorded = [];
        for (long step = first; step < first + count; step++)
        {
            if (window.BeforeStep(step, mode?.Invoke(step) ?? StepMode.Decode).IsRecorded) recorded.Add(step);
            if (step > first) window.AfterStep(step - 1);
        }
        window.AfterStep(first + count - 1);
        return recorded;
    }

    // The table of spec/profiling.md 3.1 with f = 8 steps launched before the request.
    [Theory]
    [InlineData(5, null, null, 9, 13)]
    [InlineData(1, null, null, 9, 9)]
    [InlineData(10, 3L, null, 9, 18)]
    [InlineData(10, 12L, null, 12, 21)]
    [InlineData(2, 9L, null, 9, 10)]
    [InlineData(2, null, 5L, 14, 15)]
    [InlineData(2, 30L, 5L, 30, 31)]
    public void A_window_records_exactly_its_steps(int steps, long? start, long? after, long first, long last)
    {
        ProfileWindow window = new();
        Assert.Null(window.Start(Options(steps, start, after)));
        List<long> recorded = Run(window, 9, 60);
        Assert.Equal(Enumerable.Range((int)first, (int)(last - first + 1)).Select(i => (long)i), recorded);
        Assert.Equal(ProfileState.Stopping, window.State);
        Assert.Equal((first, last), (window.FirstStep, window.LastStep));
    }

    [Fact]
    public void Start_step_3_of_10_steps_on_a_fresh_server_records_3_to_12()
    {
        ProfileWindow window = new();
        window.Start(Options(10, 3));
        Assert.Equal(ProfileState.Armed, window.State);
        Assert.Equal([3, 4, 5, 6, 7, 8, 9, 10, 11, 12], Run(window, 1, 40));
    }

    [Fact]
    public void A_window_ends_when_its_last_step_finishes_even_if_no_batch_follows()
    {
        ProfileWindow window = new();
        window.Start(Options(2));
        Assert.Equal(ProfileState.Running, window.State);
        Assert.True(window.BeforeStep(1, StepMode.Extend).IsRecorded);
        Assert.True(window.BeforeStep(2, StepMode.Decode).IsRecorded);
        Assert.False(window.AfterStep(1));
        Assert.True(window.AfterStep(2));
        Assert.Equal(ProfileState.Stopping, window.State);
        window.Exported();
        Assert.Equal(ProfileState.Idle, window.State);
    }

    [Fact]
    public void A_step_launched_after_the_last_one_is_not_recorded_while_the_last_one_runs()
    {
        ProfileWindow window = new();
        window.Start(Options(1));
        Assert.True(window.BeforeStep(7, StepMode.Decode).IsRecorded);
        Assert.False(window.BeforeStep(8, StepMode.Decode).IsRecorded);
        Assert.True(window.AfterStep(7));
        Assert.False(window.AfterStep(8));
    }

    [Fact]
    public void Starting_is_refused_in_every_state_but_idle()
    {
        ProfileWindow window = new();
        window.Start(Options(1, 10));
        Assert.Equal(ProfileWindow.AlreadyInProgress, window.Start(Options()));
        window.BeforeStep(10, StepMode.Decode);
        Assert.Equal(ProfileWindow.AlreadyInProgress, window.Start(Options()));
        window.AfterStep(10);
        Assert.Equal(ProfileWindow.AlreadyInProgress, window.Start(Options()));
        window.Exported();
        Assert.Null(window.Start(Options()));
    }

    [Fact]
    public void Stopping_cancels_an_armed_window_and_waits_for_the_step_under_way_of_a_running_one()
    {
        ProfileWindow window = new();
        Assert.Equal(StopVerdict.NotRunning, window.Stop());
        window.Start(Options(1, 10));
        Assert.Equal(StopVerdict.Cancelled, window.Stop());
        Assert.Equal(ProfileState.Idle, window.State);

        window.Start(Options());
        Assert.Equal(StopVerdict.EndsCapture, window.Stop());
        Assert.Equal(StopVerdict.AlreadyStopping, window.Stop());
        window.Exported();

        window.Start(Options());
        window.BeforeStep(1, StepMode.Decode);
        Assert.Equal(StopVerdict.EndsAfterStep, window.Stop());
        Assert.False(window.BeforeStep(2, StepMode.Decode).IsRecorded);
        Assert.True(window.AfterStep(1));
    }

    [Fact]
    public void By_stage_each_stage_gets_its_own_number_of_steps_and_interruptions_only_pause()
    {
        ProfileWindow window = new();
        window.Start(Options(2, null, null, TraceStage.Extend, TraceStage.Decode));
        Assert.Equal(ProfileState.Armed, window.State);
        StepMode[] modes = [StepMode.Extend, StepMode.Decode, StepMode.Mixed, StepMode.Extend, StepMode.Decode, StepMode.Decode];
        (bool, TraceStage)[] expected =
        [
            (true, TraceStage.Extend), (true, TraceStage.Decode), (true, TraceStage.Extend), (false, TraceStage.Any), (true, TraceStage.Decode),
            (false, TraceStage.Any),
        ];
        for (int i = 0; i < modes.Length; i++)
        {
            StepVerdict verdict = window.BeforeStep(i + 1, modes[i]);
            Assert.Equal(expected[i], (verdict.IsRecorded, verdict.Stage));
            Assert.Equal(i == 0, verdict.BeginsCapture);
            Assert.Equal(i == 4, window.AfterStep(i + 1));
        }
    }

    [Fact]
    public void A_single_stage_ignores_the_steps_of_the_other()
    {
        ProfileWindow window = new();
        window.Start(Options(3, null, null, TraceStage.Decode));
        Assert.Equal([5, 6, 7], Run(window, 1, 20, step => step < 5 ? StepMode.Extend : StepMode.Decode));
    }

    private sealed record Facts(int NumRequests, int LongestPrefill, params string[] Rids) : IStepFacts
    {
        public bool Contains(string requestId) => Rids.Contains(requestId);
    }

    [Fact]
    public void A_condition_records_and_counts_only_the_steps_that_meet_it()
    {
        (StepCondition Condition, Facts Yes, Facts No, StepMode Mode)[] cases =
        [
            (new StepCondition(MinBatchSize: 32), new Facts(32, 1), new Facts(31, 1), StepMode.Decode),
            (new StepCondition(RequestId: "r"), new Facts(2, 1, "q", "r"), new Facts(1, 1, "q"), StepMode.Decode),
            (new StepCondition(PrefillLongerThan: 1000), new Facts(1, 1001), new Facts(9, 1000), StepMode.Extend),
            (new StepCondition(MinDecodeBatchSize: 8), new Facts(8, 1), new Facts(7, 1), StepMode.Decode),
            (new StepCondition(MinBatchSize: 2, RequestId: "r"), new Facts(2, 1, "r", "s"), new Facts(1, 1, "r"), StepMode.Decode),
        ];
        foreach ((StepCondition condition, Facts yes, Facts no, StepMode mode) in cases)
        {
            ProfileWindow window = new();
            Assert.Null(window.Start(Options(2) with { Condition = condition }));
            Assert.Equal(ProfileState.Armed, window.State);
            Assert.False(window.BeforeStep(1, mode, no).IsWithin);
            Assert.Equal(new StepVerdict(true, true, TraceStage.Any, IsLast: false, IsWithin: true), window.BeforeStep(2, mode, yes));
            // The window goes on around a step that it does not record.
            Assert.Equal(new StepVerdict(false, false, TraceStage.Any, IsWithin: true), window.BeforeStep(3, mode, no));
            Assert.False(window.AfterStep(2));
            Assert.Equal(new StepVerdict(false, true, TraceStage.Any, IsLast: true, IsWithin: true), window.BeforeStep(4, mode, yes));
            Assert.False(window.AfterStep(3));
            Assert.True(window.AfterStep(4), $"{condition}");
        }
        Assert.True(new StepCondition(MinDecodeBatchSize: 8).Holds(StepMode.Extend, new Facts(1, 5)));
    }
}
