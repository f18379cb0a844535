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

    /// <param name="create">Runs on the rank's thread: loads the model and returns its runner.</param>
    /// <param name="failed">Called there when a step failed, before the next one begins.</param>
    /// <param name="maxSteps">Steps that can be under way.</param>
    public RankThread(string name, Func<IModelRunner> create, Action<Exception>? failed = null, int maxSteps = 2)
    {
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
        Serve(runner);
        Release(runner);
    }

    private void Serve(IModelRunner runner)
    {
        while (true)
        {
            _work.Wait();
            if (_isStopping) return;
            (StepPlan plan, StepOutcome outcome) = _ring[_taken++ % _ring.Length];
            outcome.Clear();
            try
            {
                runner.Launch(plan, outcome);
            }
            catch (Exception error)
            {
                outcome.Error = FatalDeviceException.Of(error);
                _failed?.Invoke(error);
            }
            _queued.Release();
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
