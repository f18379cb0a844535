using SgLang.Engine;

namespace SgLang.Server.Monitoring;

/// <summary>What a health check needs of the engine; apart from it so that every verdict can be tested.</summary>
/// <param name="RunOneToken">Runs an internal one-token request; completes when its token has come, throws when it fails.</param>
internal sealed record HealthSubject(Func<bool> IsAlive, Func<EngineStats> Stats, Func<CancellationToken, Task> RunOneToken);

/// <summary>
/// Whether the engine works. An idle engine proves it by generating one token; a busy one by its heartbeat, the time of its last finished step.
/// A step may take long without being a fault, so a busy engine is given up only when the watchdog would: a dead one is known at once.
/// </summary>
internal sealed class HealthCheck(HealthSubject engine, ServerState state, TimeSpan timeout, TimeSpan watchdog, TimeProvider time)
{
    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(20);

    /// <param name="generate">False: judge by state and heartbeat alone.</param>
    public async Task<bool> RunAsync(bool generate, CancellationToken cancellation)
    {
        if (state.Status is ServerStatus.Starting or ServerStatus.ShuttingDown) return false;
        if (!engine.IsAlive()) return Verdict(false);
        // Nothing is generated in a pause, which is no fault.
        if (!generate || engine.Stats().IsPaused) return Verdict(HeartbeatAge() < watchdog);

        long began = time.GetTimestamp();
        bool wasBusy = engine.Stats().NumRunning > 0;
        bool answered = wasBusy ? await SawStepAsync(began, cancellation) : await ProbeAsync(began, cancellation);
        bool isHealthy = engine.IsAlive() && (answered || (engine.Stats().NumRunning > 0 && HeartbeatAge() < watchdog));
        return Verdict(isHealthy);
    }

    /// <summary>Remembers the verdict, so that shutting down an unhealthy server does not wait for its requests.</summary>
    private bool Verdict(bool isHealthy)
    {
        return state.TryChange(isHealthy ? ServerStatus.Up : ServerStatus.UnHealthy) && isHealthy;
    }

    private TimeSpan HeartbeatAge() => time.GetElapsedTime(engine.Stats().Heartbeat);

    private async Task<bool> SawStepAsync(long began, CancellationToken cancellation)
    {
        while (time.GetElapsedTime(began) < timeout)
        {
            if (engine.Stats().Heartbeat >= began) return true;
            if (!engine.IsAlive()) return false;
            await Task.Delay(s_poll, time, cancellation);
        }
        return false;
    }

    /// <summary>The probe is cancelled when time is up, so that none is left in the queue; any step in the meantime counts as an answer.</summary>
    private async Task<bool> ProbeAsync(long began, CancellationToken cancellation)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using ITimer timer = time.CreateTimer(_ => deadline.Cancel(), null, timeout, Timeout.InfiniteTimeSpan);
        try
        {
            await engine.RunOneToken(deadline.Token);
            return true;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return false;
        }
        catch (RequestRejectedException)
        {
            // The queue is full: others are being served.
            return await SawStepAsync(began, cancellation);
        }
        catch (HealthProbeException)
        {
            return false;
        }
    }
}

/// <summary>The probe ended with an error.</summary>
internal sealed class HealthProbeException(string message) : Exception(message);
