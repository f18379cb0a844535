using SgLang.Models;
using SgLang.Runtime;

namespace SgLang.Engine;

/// <summary>A recorded decode step.</summary>
internal interface IStepGraph : IDisposable
{
    /// <summary>Queues the recorded work again; it reads what then stands at the recorded addresses.</summary>
    void Launch();
}

/// <summary>How decode steps are recorded: by the device or, where it has no graphs, by a test.</summary>
internal interface IGraphRecorder
{
    /// <summary>Records what <paramref name="work"/> queues through <paramref name="forward"/>.</summary>
    IStepGraph Record(ForwardContext forward, int batchSize, Action work);
}

/// <summary>Records by the device's stream capture, which also notes which module made each node.</summary>
internal sealed class DeviceGraphRecorder : IGraphRecorder
{
    public IStepGraph Record(ForwardContext forward, int batchSize, Action work) => new Graph(GraphExec.Capture(forward.Device, work));

    private sealed class Graph(GraphExec recording) : IStepGraph
    {
        public void Launch() => recording.Launch();

        public void Dispose() => recording.Dispose();
    }
}
