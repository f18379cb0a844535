using Google.Protobuf;
using SgLang.Engine;
using SgLang.Nodes.Wire;
using SgLang.Scheduling;

namespace SgLang.Nodes;

/// <summary>The ranks of a replica on another node: steps go out as messages and their results come back in order.</summary>
internal sealed class RemoteRanks(NodePeer peer, int replica, int maxSamples) : IRankChannel
{
    private readonly Queue<(StepPlan Plan, StepOutcome Outcome)> _underWay = [];
    private readonly (Request Request, int NumRetractions)[] _known = new (Request, int)[maxSamples];
    private readonly Queue<StepReport> _results = [];
    private byte[] _buffer = [];

    public FatalDeviceException? Lost => peer.Lost;

    public void Launch(StepPlan plan, StepOutcome outcome)
    {
        outcome.Clear();
        _underWay.Enqueue((plan, outcome));
        if (peer.Lost is not null) return;
        Step step = new() { Replica = replica, Trace = outcome.Trace.Pack() };
        for (int i = 0; i < plan.NumRequests; i++)
        {
            Request request = plan.Requests[i];
            int row = plan.Rows[i];
            if (_known[row].Request == request && _known[row].NumRetractions == request.NumRetractions) continue;
            _known[row] = (request, request.NumRetractions);
            step.Requests.Add(RequestMessages.Of(request, row));
        }
        int length = plan.WriteTo(ref _buffer);
        step.Plan = ByteString.CopyFrom(_buffer, 0, length);
        peer.Control.Post(new HeadMessage { Step = step });
    }

    public void Wait()
    {
        (StepPlan plan, StepOutcome outcome) = _underWay.Dequeue();
        StepReport? result;
        lock (_results)
        {
            while (!_results.TryDequeue(out result) && peer.Lost is null) Monitor.Wait(_results);
        }
        if (result is null)
        {
            outcome.Error = peer.Lost;
            return;
        }
        try
        {
            OutcomeMessages.Read(result, plan, outcome);
        }
        catch (InvalidDataException error)
        {
            outcome.Error = error;
        }
    }

    /// <summary>Stream's reader: a step has ended there.</summary>
    public void Arrive(StepReport result)
    {
        lock (_results)
        {
            _results.Enqueue(result);
            Monitor.PulseAll(_results);
        }
    }

    /// <summary>The peer is lost: whoever waits looks again.</summary>
    public void Wake()
    {
        lock (_results) Monitor.PulseAll(_results);
    }

    /// <summary>The node ends when it is told to, with all its replicas.</summary>
    public void Stop()
    {
    }

    public void Dispose()
    {
    }
}
