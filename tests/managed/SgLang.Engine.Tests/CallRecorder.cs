using SgLang.Models;

namespace SgLang.Engine.Tests;

/// <summary>Records calls in place of a device's work, so that decode steps can be replayed where there are no graphs.</summary>
internal sealed class CallRecorder : IGraphRecorder
{
    public List<int> Recorded { get; } = [];
    public List<int> Launched { get; } = [];

    public IStepGraph Record(ForwardContext forward, int batchSize, Action work)
    {
        Recorded.Add(batchSize);
        work();
        return new Calls(this, batchSize, work);
    }

    private sealed class Calls(CallRecorder recorder, int batchSize, Action work) : IStepGraph
    {
        public void Launch()
        {
            recorder.Launched.Add(batchSize);
            work();
        }

        public void Dispose()
        {
        }
    }
}
