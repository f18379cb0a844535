using SgLang.Core;

namespace SgLang.Engine;

/// <summary>All replicas of an engine behind one front: who takes a request, calls that reach all, answers put together. Thread safe.</summary>
internal sealed class ReplicaSet(Replica[] replicas, LoadBalanceMethod method)
{
    private readonly Lock _gate = new();
    private readonly Balancer _balancer = new(method);

    public Replica this[int index] => replicas[index];
    public int Count => replicas.Length;
    public IReadOnlyList<Replica> All => replicas;

    /// <summary>The failure that ended an engine's last living replica; null while any lives.</summary>
    public Exception? Fault
    {
        get
        {
            Exception? fault = null;
            foreach (Replica replica in replicas)
            {
                if (replica.Loop.Fault is not { } own) return null;
                fault ??= own;
            }
            return fault;
        }
    }

    /// <summary>Chooses the replica of a prompt and counts it there; <see cref="Replica.Remove"/> takes it back.</summary>
    public Replica Dispatch(ReadOnlySpan<int> prompt, string? extraKey, int? wanted)
    {
        if (replicas.Length == 1 || wanted is not null)
        {
            Replica only = replicas[wanted ?? 0];
            only.Add(prompt.Length);
            return only;
        }
        lock (_gate)
        {
            Span<ReplicaLoad> loads = new ReplicaLoad[replicas.Length];
            for (int i = 0; i < loads.Length; i++) loads[i] = replicas[i].Load(prompt, extraKey, _balancer.WantsCachedTokens);
            // When none lives, the first one's loop answers that it has stopped.
            Replica chosen = replicas[Math.Max(0, _balancer.Choose(loads, prompt.Length))];
            chosen.Add(prompt.Length);
            return chosen;
        }
    }

    public void Post(in EngineMessage message)
    {
        foreach (Replica replica in replicas) replica.Loop.Post(message);
    }

    /// <summary>Posts to each replica a message that is answered; true when all answer so.</summary>
    public async Task<bool> AskAsync(EngineMessage message)
    {
        TaskCompletionSource<bool>[] completions = new TaskCompletionSource<bool>[replicas.Length];
        for (int i = 0; i < replicas.Length; i++)
        {
            completions[i] = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
            replicas[i].Loop.Post(message with { Completion = completions[i] });
            replicas[i].Loop.AnswerIfEnded();
        }
        bool[] answers = await Task.WhenAll(completions.Select(completion => completion.Task)).ConfigureAwait(false);
        return Array.TrueForAll(answers, each => each);
    }

    public EngineStats ReadStats()
    {
        if (replicas.Length == 1) return replicas[0].Loop.ReadStats();
        EngineStats sum = EngineStats.Sum([.. replicas.Select(replica => replica.Loop.ReadStats())]);
        // A replica that has ended does not make the others look stuck.
        return sum with { Heartbeat = replicas.Where(replica => replica.Loop.Fault is null).Select(replica => replica.Loop.ReadStats().Heartbeat).DefaultIfEmpty(sum.Heartbeat).Min() };
    }

    public IReadOnlyList<EngineStats> ReadStatsOfEach() => [.. replicas.Select(replica => replica.Loop.ReadStats())];

    public void Dispose()
    {
        // All are told before any is waited for.
        foreach (Replica replica in replicas) replica.Loop.Post(new EngineMessage(EngineMessageKind.Stop));
        // Ranks of one replica may take part in the steps of another.
        foreach (Replica replica in replicas) replica.Loop.Join();
        foreach (Replica replica in replicas) replica.Loop.Dispose();
    }
}
