namespace SgLang.Engine.Tests;

public sealed class StallJudgeTests
{
    private readonly Clock _clock = new();

    private StallJudge Judge(double? soft = 5, double hard = 10) => new(soft is { } seconds ? TimeSpan.FromSeconds(seconds) : null, TimeSpan.FromSeconds(hard), _clock);

    private static StallVerdict Verdict(StallJudge judge, bool hasRequests, long heartbeat) => judge.Judge(hasRequests, heartbeat, out _);

    [Fact]
    public void An_engine_that_waits_for_work_is_left_alone_for_however_long()
    {
        StallJudge judge = Judge();
        for (int i = 0; i < 100; i++, _clock.Pass(7)) Assert.Equal(StallVerdict.None, Verdict(judge, hasRequests: false, heartbeat: 0));
    }

    [Fact]
    public void An_engine_that_works_is_left_alone_for_however_long()
    {
        StallJudge judge = Judge();
        for (int i = 0; i < 100; i++)
        {
            long heartbeat = _clock.GetTimestamp();
            _clock.Pass(4.9);
            Assert.Equal(StallVerdict.None, Verdict(judge, hasRequests: true, heartbeat));
        }
    }

    [Fact]
    public void Time_without_work_does_not_count()
    {
        StallJudge judge = Judge();
        _clock.Pass(1000);
        Assert.Equal(StallVerdict.None, Verdict(judge, hasRequests: false, heartbeat: 0));
        Assert.Equal(StallVerdict.None, Verdict(judge, hasRequests: true, heartbeat: 0));
        _clock.Pass(4.9);
        Assert.Equal(StallVerdict.None, Verdict(judge, hasRequests: true, heartbeat: 0));
        Assert.Equal(StallVerdict.None, Verdict(judge, hasRequests: false, heartbeat: 0));
        Assert.Equal(StallVerdict.None, Verdict(judge, hasRequests: true, heartbeat: 0));
        _clock.Pass(4.9);
        Assert.Equal(StallVerdict.None, Verdict(judge, hasRequests: true, heartbeat: 0));
    }

    [Fact]
    public void A_stall_is_reported_once_and_the_next_one_again_until_the_engine_is_given_up()
    {
        StallJudge judge = Judge();
        for (int stall = 0; stall < 2; stall++)
        {
            long heartbeat = _clock.GetTimestamp();
            Assert.Equal(StallVerdict.None, Verdict(judge, hasRequests: true, heartbeat));
            _clock.Pass(5);
            Assert.Equal(StallVerdict.Report, judge.Judge(hasRequests: true, heartbeat, out TimeSpan age));
            Assert.Equal(TimeSpan.FromSeconds(5), age);
            _clock.Pass(4.9);
            Assert.Equal(StallVerdict.None, Verdict(judge, hasRequests: true, heartbeat));
        }
        _clock.Pass(0.1);
        Assert.Equal(StallVerdict.GiveUp, Verdict(judge, hasRequests: true, heartbeat: 0));
    }

    [Fact]
    public void Without_a_soft_limit_nothing_is_reported_before_the_engine_is_given_up()
    {
        StallJudge judge = Judge(soft: null);
        Assert.Equal(StallVerdict.None, Verdict(judge, hasRequests: true, heartbeat: 0));
        _clock.Pass(9.9);
        Assert.Equal(StallVerdict.None, Verdict(judge, hasRequests: true, heartbeat: 0));
        _clock.Pass(0.1);
        Assert.Equal(StallVerdict.GiveUp, Verdict(judge, hasRequests: true, heartbeat: 0));
    }

    private sealed class Clock : TimeProvider
    {
        private long _now = 1;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _now;

        public void Pass(double seconds) => _now += (long)(seconds * TimeSpan.TicksPerSecond);
    }
}
