using System.Collections.Concurrent;
using SgLang.Engine;
using SgLang.Nodes.Wire;
using SgLang.Scheduling;

namespace SgLang.Nodes;

/// <summary>
/// This node's ranks of one replica, run by node 0's steps. One thread makes plans of messages and launches them, another waits for the steps
/// and reports, so that a step can be launched while the one before runs.
/// </summary>
internal sealed class ReplicaPart
{
    private readonly int _replica;
    private readonly RankGroup _ranks;
    private readonly ReplicaGroups _groups;
    private readonly GrammarStore _grammars;
    private readonly NodeWindow _window;
    private readonly bool _reports;
    private readonly Action<NodeMessage> _post;
    private readonly StepPlanMirror _mirror;
    private readonly BlockingCollection<HeadMessage> _inbox = [];
    private readonly BlockingCollection<(StepPlan? Plan, Exception? Error)> _launched = [];
    private readonly Thread _launcher;
    private readonly Thread _waiter;

    /// <param name="reports">Whether tokens are drawn here.</param>
    /// <param name="maxSteps">Steps that can be under way.</param>
    public ReplicaPart(int replica, RankGroup ranks, ReplicaGroups groups, GrammarStore grammars, NodeWindow window, bool reports, int maxSteps, Action<NodeMessage> post)
    {
        _mirror = new StepPlanMirror(maxSteps);
        _replica = replica;
        _ranks = ranks;
        _groups = groups;
        _grammars = grammars;
        _window = window;
        _reports = reports;
        _post = post;
        _launcher = new Thread(LaunchAll) { Name = $"sgl-node-launch-{replica}", IsBackground = true };
        _waiter = new Thread(ReportAll) { Name = $"sgl-node-report-{replica}", IsBackground = true };
        _launcher.Start();
        _waiter.Start();
    }

    /// <summary>A step, or a reset, which comes when all steps have ended.</summary>
    public void Post(HeadMessage message) => _inbox.Add(message);

    /// <summary>At once: steps under way need not end.</summary>
    public void Abort(string reason) => _groups.Abort(reason);

    /// <summary>Waits for steps under way, which end early with this reason.</summary>
    public void End(string reason)
    {
        _groups.Abort(reason);
        _inbox.CompleteAdding();
        _launcher.Join();
        _waiter.Join();
        _ranks.Dispose();
    }

    private void LaunchAll()
    {
        foreach (HeadMessage message in _inbox.GetConsumingEnumerable())
        {
            if (message.KindCase == HeadMessage.KindOneofCase.Reset)
            {
                _groups.Reset();
                continue;
            }
            try
            {
                foreach (RequestInfo request in message.Step.Requests) RequestMessages.Introduce(request, _mirror, _grammars);
                StepPlan plan = _mirror.Read(message.Step.Plan.Span);
                _ranks.Launch(plan, _window.Localize(StepTrace.Unpack(message.Step.Trace)));
                _launched.Add((plan, null));
            }
            catch (Exception error) when (error is RequestRejectedException or InvalidDataException)
            {
                _launched.Add((null, error));
            }
        }
        _launched.CompleteAdding();
    }

    private void ReportAll()
    {
        foreach ((StepPlan? plan, Exception? error) in _launched.GetConsumingEnumerable())
        {
            StepReport report = plan is not null
                ? OutcomeMessages.Of(_replica, plan, _ranks.Wait(), _reports)
                : new StepReport { Replica = _replica, Error = OutcomeMessages.Of(error!) };
            _post(new NodeMessage { Result = report });
        }
    }
}
