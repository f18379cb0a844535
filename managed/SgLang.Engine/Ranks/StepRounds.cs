using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>
/// The beat of replicas that share layers (attention by data parallelism): all their ranks run a step at the same time, in rounds. A round begins when every
/// rank has ended the one before and some replica has a step; each replica then runs its oldest one, and the ranks of one without work go through the
/// layers with a token of padding. Replicas plan ahead, so that one that has work has a step by then. Thread safe.
/// </summary>
/// <param name="reset">Makes the ranks' groups usable after an abort, when no rank is at work.</param>
internal sealed class StepRounds(int numReplicas, int numRanks, Action reset)
{
    private readonly object _gate = new();
    private readonly Queue<StepPlan>[] _steps = [.. Enumerable.Range(0, numReplicas).Select(_ => new Queue<StepPlan>(4))];
    private readonly bool[] _hasStep = new bool[numReplicas];
    private readonly bool[] _mustRecover = new bool[numReplicas];
    private readonly int[] _tokens = new int[numReplicas];
    private int _numArrived;
    private long _round;
    private bool _isAborted;
    private bool _isOver;
    private Exception? _resetError;

    /// <summary>[replicas]: tokens of each one's step of the round, 0 for none; read by ranks while they run it.</summary>
    public ReadOnlySpan<int> Tokens => _tokens;

    /// <summary>All ranks of a replica have been given a step.</summary>
    public void Launched(int replica, StepPlan plan)
    {
        lock (_gate)
        {
            _steps[replica].Enqueue(plan);
            BeginIfReady();
        }
    }

    /// <summary>On a rank's thread, whose last step has ended: waits for the next round. False: there will be none.</summary>
    /// <param name="hasStep">Whether the rank's replica has a step in it.</param>
    public bool Next(int replica, out bool hasStep)
    {
        lock (_gate)
        {
            long last = _round;
            _numArrived++;
            BeginIfReady();
            while (_round == last && !_isOver) Monitor.Wait(_gate);
            hasStep = _hasStep[replica];
            return _round != last;
        }
    }

    /// <summary>
    /// A rank failed, and has aborted the groups. Where it ran its replica's step, that replica's steps are run to their failure until
    /// <see cref="Recover"/>; the others wait.
    /// </summary>
    public void Failed(int replica, bool hadStep)
    {
        lock (_gate)
        {
            _isAborted = true;
            _mustRecover[replica] |= hadStep;
        }
    }

    /// <summary>The steps that a replica had launched have ended: waits until the groups have been reset. Throws what that threw.</summary>
    public void Recover(int replica)
    {
        lock (_gate)
        {
            _mustRecover[replica] = false;
            BeginIfReady();
            while (_isAborted && _resetError is null && !_isOver) Monitor.Wait(_gate);
            if (_isAborted && _resetError is not null) throw _resetError;
        }
    }

    /// <summary>When no replica launches any more.</summary>
    public void End()
    {
        lock (_gate)
        {
            _isOver = true;
            Monitor.PulseAll(_gate);
        }
    }

    private void BeginIfReady()
    {
        if (_numArrived < numRanks || _isOver) return;
        bool recovers = Array.IndexOf(_mustRecover, true) >= 0;
        if (_isAborted && !recovers) Reset();
        bool any = false;
        for (int replica = 0; replica < numReplicas; replica++)
        {
            // While some replicas are failing, the steps of others are kept for a round that can succeed.
            _hasStep[replica] = _steps[replica].Count > 0 && (!recovers || _mustRecover[replica]);
            any |= _hasStep[replica];
        }
        if (!any) return;
        for (int replica = 0; replica < numReplicas; replica++) _tokens[replica] = _hasStep[replica] ? _steps[replica].Dequeue().NumTokens : 0;
        _numArrived = 0;
        _round++;
        Monitor.PulseAll(_gate);
    }

    private void Reset()
    {
        try
        {
            reset();
            _isAborted = false;
            _resetError = null;
        }
        catch (Interop.SglException error)
        {
            // Steps to come fail as the groups say.
            _resetError = error;
        }
        Monitor.PulseAll(_gate);
    }
}
