using SgLang.Interop;
using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>
/// A rank as a thread of this process: the current device is a property of the thread, so one thread makes, uses and disposes everything
/// of its device.
/// </summary>
internal sealed class RankThread : IRankChannel
{
    private readonly Thread _thread;
    private readonly (StepPlan Plan, StepOutcome Outcome)[] _ring;
    private readonly SemaphoreSlim _work = new(0);
    private readonly SemaphoreSlim _queued = new(0);
    private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _launched;
    private int _taken;
    private int _waited;
    private IModelRunner? _runner;
    private volatile bool _isStopping;

    private readonly Action<Exception>? _failed;
    private readonly StepRounds? _rounds;
    private readonly int _replica;

    /// <param name="create">Runs on the rank's thread: loads the model and returns its runner.</param>
    /// <param name="failed">Called there when a step failed, before the next one begins.</param>
    /// <param name="maxSteps">Steps that can be under way.</param>
    /// <param name="rounds">Where replicas share ranks: when their steps begin; this rank is of <paramref name="replica"/>.</param>
    public RankThread(string name, Func<IModelRunner> create, Action<Exception>? failed = null, int maxSteps = 2, StepRounds? rounds = null, int replica = 0)
    {
        _rounds = rounds;
        _replica = replica;
        _ring = new (StepPlan, StepOutcome)[maxSteps];
        _failed = failed;
        _thread = new Thread(() => Run(create)) { Name = name, IsBackground = true };
        _thread.Start();
    }

    /// <summary>Waits until the runner is ready; rethrows what its creation threw.</summary>
    public void WaitUntilStarted() => _started.Task.GetAwaiter().GetResult();

    public void Launch(StepPlan plan, StepOutcome outcome)
    {
        _ring[_launched++ % _ring.Length] = (plan, outcome);
        _work.Release();
    }

    public void Wait()
    {
        _queued.Wait();
        (StepPlan plan, StepOutcome outcome) = _ring[_waited++ % _ring.Length];
        if (outcome.Error is not null) return;
        try
        {
            _runner!.Complete(plan, outcome);
        }
        catch (Exception error)
        {
            outcome.Error = FatalDeviceException.Of(error);
        }
    }

    public void Stop()
    {
        _isStopping = true;
        _work.Release();
        _rounds?.End();
    }

    public void Dispose()
    {
        Stop();
        _thread.Join();
    }

    private void Run(Func<IModelRunner> create)
    {
        IModelRunner runner;
        try
        {
            runner = create();
        }
        catch (Exception error)
        {
            _started.SetException(error);
            return;
        }
        _runner = runner;
        _started.SetResult();
        if (_rounds is null) Serve(runner);
        else ServeRounds(runner, _rounds);
        Release(runner);
    }

    private void Serve(IModelRunner runner)
    {
        while (true)
        {
            _work.Wait();
            if (_isStopping) return;
            (StepPlan plan, StepOutcome outcome) = _ring[_taken++ % _ring.Length];
            Launch(runner, plan, outcome);
            _queued.Release();
        }
    }

    /// <summary>Takes part in every round, with padding where its replica has no step.</summary>
    private void ServeRounds(IModelRunner runner, StepRounds rounds)
    {
        StepPlan padding = StepPlan.CreatePadding();
        // Of a slot of its own: those of the replica's steps may not have been read yet.
        StepOutcome unread = new(0, _ring.Length);
        while (rounds.Next(_replica, out bool hasStep))
        {
            (StepPlan plan, StepOutcome outcome) = hasStep ? _ring[_taken++ % _ring.Length] : (padding, unread);
            if (!Launch(runner, plan, outcome)) rounds.Failed(_replica, hasStep);
            // The device goes on being watched, or not, as in the step before.
            if (hasStep) unread.Trace = outcome.Trace.IsLast ? default : outcome.Trace with { IsRecorded = false };
            if (hasStep) _queued.Release();
        }
    }

    /// <returns>Whether it succeeded; else the outcome has the error.</returns>
    private bool Launch(IModelRunner runner, StepPlan plan, StepOutcome outcome)
    {
        outcome.Clear();
        try
        {
            runner.Launch(plan, outcome);
            return true;
        }
        catch (Exception error)
        {
            outcome.Error = FatalDeviceException.Of(error);
            _failed?.Invoke(error);
            return false;
        }
    }

    private static void Release(IModelRunner runner)
    {
        try
        {
            runner.Dispose();
        }
        catch (SglException error) when (error.Status == SglStatus.CudaFatal)
        {
            // Whoever waited has been told that the device is lost; what was on it went with it.
        }
    }
}
