using SgLang.Engine;
using SgLang.Server.Monitoring;

namespace SgLang.Server.Tests.Monitoring;

public class HealthCheckTests
{
    private readonly ServerState _state = new();
    private bool _isAlive = true;
    private EngineStats _stats = new();
    private Func<CancellationToken, Task> _probe = _ => Task.CompletedTask;

    public HealthCheckTests()
    {
        _state.TryChange(ServerStatus.Up);
        Beat(age: 0);
    }

    private void Beat(double age, int running = 0) =>
        _stats = new EngineStats { Heartbeat = TimeProvider.System.GetTimestamp() - (long)(age * TimeProvider.System.TimestampFrequency), NumRunning = running };

    /// <summary>Time limits of 50 ms for an answer and 100 s for the watchdog.</summary>
    private Task<bool> Check(bool generate = true) => new HealthCheck(
        new HealthSubject(() => _isAlive, () => _stats, token => _probe(token)), _state, TimeSpan.FromMilliseconds(50), TimeSpan.FromSeconds(100), TimeProvider.System)
        .RunAsync(generate, CancellationToken.None);

    [Fact]
    public async Task An_idle_engine_that_answers_is_healthy()
    {
        Assert.True(await Check());
        Assert.Equal(ServerStatus.Up, _state.Status);
    }

    [Fact]
    public async Task A_dead_engine_is_unhealthy_at_once()
    {
        _isAlive = false;
        _probe = _ => throw new InvalidOperationException("a dead engine is not probed");
        Assert.False(await Check());
        Assert.False(await Check(generate: false));
        Assert.Equal(ServerStatus.UnHealthy, _state.Status);
    }

    [Fact]
    public async Task An_idle_engine_that_does_not_answer_is_unhealthy_and_its_probe_is_cancelled()
    {
        bool cancelled = false;
        _probe = async token =>
        {
            try
            {
                await Task.Delay(Timeout.Infinite, token);
            }
            finally
            {
                cancelled = true;
            }
        };
        Assert.False(await Check());
        Assert.True(cancelled);
        Assert.Equal(ServerStatus.UnHealthy, _state.Status);
    }

    [Fact]
    public async Task A_probe_that_fails_is_unhealthy()
    {
        _probe = _ => throw new HealthProbeException("no");
        Assert.False(await Check());
    }

    [Fact]
    public async Task An_engine_that_dies_during_the_probe_is_unhealthy()
    {
        _probe = _ =>
        {
            _isAlive = false;
            return Task.CompletedTask;
        };
        Assert.False(await Check());
    }

    [Fact]
    public async Task A_long_step_is_no_fault()
    {
        _probe = _ => throw new InvalidOperationException("a busy engine is not probed");
        Beat(age: 30, running: 1);
        Assert.True(await Check());
    }

    [Fact]
    public async Task A_step_longer_than_the_watchdog_is_a_fault()
    {
        Beat(age: 200, running: 1);
        Assert.False(await Check());
        Assert.False(await Check(generate: false));
    }

    [Fact]
    public async Task A_paused_engine_is_healthy_without_a_probe()
    {
        _probe = _ => throw new InvalidOperationException("in a pause nothing is generated");
        _stats = _stats with { IsPaused = true };
        Assert.True(await Check());
    }

    [Fact]
    public async Task A_full_queue_is_no_fault_while_steps_go_on()
    {
        _probe = _ =>
        {
            Beat(age: -1, running: 1);
            throw new RequestRejectedException("The request queue is full.", 503);
        };
        Assert.True(await Check());
    }

    [Fact]
    public async Task It_recovers()
    {
        _isAlive = false;
        Assert.False(await Check());
        _isAlive = true;
        Assert.True(await Check());
        Assert.Equal(ServerStatus.Up, _state.Status);
    }

    [Fact]
    public async Task Starting_and_shutting_down_are_unhealthy_whatever_the_engine_says()
    {
        var starting = new ServerState();
        Assert.False(await new HealthCheck(new HealthSubject(() => true, () => _stats, _ => Task.CompletedTask), starting, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1), TimeProvider.System).RunAsync(true, default));
        Assert.Equal(ServerStatus.Starting, starting.Status);
        _state.TryChange(ServerStatus.ShuttingDown);
        Assert.False(await Check());
        Assert.False(_state.TryChange(ServerStatus.Up));
        Assert.Equal(ServerStatus.ShuttingDown, _state.Status);
    }
}
