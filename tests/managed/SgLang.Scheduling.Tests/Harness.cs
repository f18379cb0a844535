using SgLang.Core;

namespace SgLang.Scheduling.Tests;

/// <summary>Drives a scheduler against the <see cref="SimulatedModel"/> as the engine does, checking the invariants after every call.</summary>
internal sealed class Harness
{
    private readonly int _maxInFlight;
    private readonly Queue<(StepPlan Plan, int[] Ids)> _inFlight = [];

    public Harness(SchedulerOptions options, bool overlap = false, int eosEvery = 0, int eosId = 999_999, TimeProvider? time = null)
    {
        _maxInFlight = overlap ? options.MaxUncommitted : 1;
        Scheduler = new Scheduler(options, time);
        Model = new SimulatedModel(options, eosId: eosId, eosEvery: eosEvery);
    }

    public static SchedulerOptions Options(int numPages = 1000, int pageSize = 1, int maxRunning = 8, int context = 1_000_000) => new()
    {
        MaxRunningRequests = maxRunning,
        NumPages = numPages,
        PageSize = pageSize,
        ContextLength = context,
    };

    public Scheduler Scheduler { get; }
    public SimulatedModel Model { get; }
    public bool ChecksInvariants { get; init; } = true;

    /// <summary>Digest of every plan so far.</summary>
    public ulong PlanDigest { get; private set; }

    /// <summary>Tokens told by events, per unfinished or finished request.</summary>
    public Dictionary<Request, List<int>> Streams { get; } = [];
    public Dictionary<Request, FinishReason> Finishes { get; } = [];

    /// <summary>Called with each planned step, before it runs.</summary>
    public Action<StepPlan>? OnPlan { get; set; }

    /// <summary>Called with each event; what a reader would do about it.</summary>
    public Action<SchedulerEvent>? OnEvent { get; set; }

    public static Request Make(string rid, int[] prompt, int? maxNew = 16, int[]? stop = null, LogprobOptions? logprobs = null, int minNew = 0,
        bool ignoreEos = false, int? priority = null) =>
        new(rid, prompt, new SamplingParams { MaxNewTokens = maxNew, MinNewTokens = minNew, IgnoreEos = ignoreEos, Temperature = 0 }, stop, logprobs)
        {
            Priority = priority,
            RoutingKey = $"key{prompt.Length % 3}",
            Timeline = new RequestTimeline(rid, prompt.Length),
        };

    /// <summary>A prompt whose tokens are start, start + 1, ...</summary>
    public static int[] Prompt(int length, int start = 0) => [.. Enumerable.Range(start, length)];

    public Request Add(string rid, int[] prompt, int? maxNew = 16, int[]? stop = null, LogprobOptions? logprobs = null, int minNew = 0,
        bool ignoreEos = false, int? priority = null)
    {
        Request request = Make(rid, prompt, maxNew, stop, logprobs, minNew, ignoreEos, priority);
        Assert.True(Scheduler.TryEnqueue(request, out FinishReason refusal), refusal.Text);
        Streams[request] = [];
        After("enqueue");
        return request;
    }

    /// <summary>Plans and runs a step; with overlap it is committed once as many as can be are uncommitted, or nothing is planned. Null then.</summary>
    public StepPlan? Step()
    {
        StepPlan? plan = Scheduler.Plan();
        After("plan");
        if (plan is not null)
        {
            PlanDigest = Digest(PlanDigest, plan);
            OnPlan?.Invoke(plan);
            _inFlight.Enqueue((plan, Model.Run(plan)));
            Assert.True(Model.Errors.Count == 0, string.Join('\n', Model.Errors.Take(10)));
        }
        if (plan is null || _inFlight.Count == _maxInFlight) CommitInFlight();
        return plan;
    }

    public void CommitInFlight()
    {
        if (!_inFlight.TryDequeue(out (StepPlan Plan, int[] Ids) step)) return;
        Scheduler.Commit(step.Plan, step.Ids);
        After("commit");
    }

    /// <summary>Steps until idle; fails when that takes too long.</summary>
    public void Drain(int maxSteps = 100_000)
    {
        for (int i = 0; i < maxSteps; i++)
        {
            bool wasInFlight = _inFlight.Count > 0;
            if (Step() is null && !wasInFlight)
            {
                Assert.True(Scheduler.IsIdle, $"nothing planned, but not idle: {Scheduler.Stats}");
                return;
            }
        }
        Assert.Fail($"not idle after {maxSteps} steps: {Scheduler.Stats}");
    }

    /// <summary>Everything is back: free + evictable = capacity, nothing locked, and each accepted request ended once.</summary>
    public void AssertIdleAndWhole()
    {
        SchedulerStats stats = Scheduler.Stats;
        Assert.True(Scheduler.IsIdle, stats.ToString());
        Assert.Equal(stats.CapacityTokens, stats.FreeTokens + stats.EvictableTokens);
        Assert.Equal(0, stats.ProtectedTokens);
        Assert.Equal(stats.NumAccepted, stats.NumFinished);
        Assert.Equal(Streams.Count, Finishes.Count);
        Assert.Empty(Invariants.Check(Scheduler));
    }

    /// <summary>Drains the events as a reader would, then checks the invariants.</summary>
    public void After(string what)
    {
        // A reader may finish requests, which appends events: walk by index.
        for (int i = 0; i < Scheduler.Events.Length; i++)
        {
            SchedulerEvent item = Scheduler.Events[i];
            Assert.False(Finishes.ContainsKey(item.Request), $"{item.Request.Rid}: an event after its finish");
            if (item.TokenId >= 0) Streams[item.Request].Add(item.TokenId);
            if (item.Finish is { } finish) Finishes.Add(item.Request, finish);
            OnEvent?.Invoke(item);
        }
        Scheduler.ClearEvents();
        if (!ChecksInvariants) return;
        List<string> violations = Invariants.Check(Scheduler);
        Assert.True(violations.Count == 0, $"after {what}, step {Scheduler.Stats.NumSteps}:\n{string.Join('\n', violations.Take(10))}");
    }

    private static ulong Digest(ulong digest, StepPlan plan)
    {
        Add(plan.StepId, ref digest);
        Add((long)plan.Kind, ref digest);
        foreach (Request request in plan.Requests)
            foreach (char c in request.Rid) Add(c, ref digest);
        AddAll(plan.Rows, ref digest);
        AddAll(plan.QueryStart, ref digest);
        AddAll(plan.KvLength, ref digest);
        AddAll(plan.PageStart, ref digest);
        AddAll(plan.Pages, ref digest);
        AddAll(plan.SampleIndex, ref digest);
        AddAll(plan.InputLogprobStart, ref digest);
        AddAll(plan.TokenSources, ref digest);
        AddAll(plan.Positions, ref digest);
        AddAll(plan.Slots, ref digest);
        AddAll(plan.LogprobTargets, ref digest);
        return digest;

        static void Add(long value, ref ulong digest) => digest = (ulong.RotateLeft(digest, 11) ^ (ulong)value) * 0x9E3779B97F4A7C15;

        static void AddAll(ReadOnlySpan<int> values, ref ulong digest)
        {
            Add(values.Length, ref digest);
            foreach (int value in values) Add(value, ref digest);
        }
    }
}
