namespace SgLang.Grammars.Automata;

/// <summary>
/// Makes a nondeterministic automaton deterministic. Calls of rules count as symbols, so a state may both take bytes and call rules.
/// </summary>
internal sealed class SubsetConstruction
{
    private readonly Nfa _nfa;
    private readonly CompileBudget _budget;
    private readonly Dictionary<int[], int> _ids = new(SetComparer.Instance);
    private readonly List<int[]> _sets = [];
    private readonly Stack<int> _pending = new();
    private readonly HashSet<int> _closure = [];

    public SubsetConstruction(Nfa nfa, CompileBudget budget)
    {
        _nfa = nfa;
        _budget = budget;
    }

    /// <summary>States found; state 0 is the start.</summary>
    public List<DeterministicState> States { get; } = [];

    public void Run(int start)
    {
        StateOf([start]);
        for (int s = 0; s < _sets.Count; s++) States.Add(Expand(_sets[s]));
    }

    private DeterministicState Expand(int[] set)
    {
        var state = new DeterministicState();
        var edges = new List<NfaState>();
        SortedDictionary<int, List<int>>? calls = null;
        foreach (int member in set)
        {
            NfaState item = _nfa[member];
            if (item.Kind == NfaKind.Accept) state.Accepts = true;
            else if (item.Kind == NfaKind.Byte) edges.Add(item);
            else if (item.Kind == NfaKind.Call)
            {
                calls ??= [];
                if (!calls.TryGetValue(item.Other, out List<int>? targets)) calls[item.Other] = targets = [];
                targets.Add(item.Next);
            }
        }
        AddByteEdges(state, edges);
        if (calls is not null)
            foreach ((int rule, List<int> targets) in calls) state.Calls.Add((rule, StateOf(targets)));
        return state;
    }

    private void AddByteEdges(DeterministicState state, List<NfaState> edges)
    {
        if (edges.Count == 0) return;
        // Between two neighbouring bounds the same edges apply.
        var bounds = new SortedSet<int>();
        foreach (NfaState edge in edges)
        {
            bounds.Add(edge.Low);
            bounds.Add(edge.High + 1);
        }
        int[] cuts = [.. bounds];
        var targets = new List<int>();
        for (int i = 0; i + 1 < cuts.Length; i++)
        {
            _budget.Tick(1 + edges.Count / 16);
            targets.Clear();
            foreach (NfaState edge in edges)
                if (edge.Low <= cuts[i] && cuts[i] <= edge.High) targets.Add(edge.Next);
            if (targets.Count == 0) continue;
            int target = StateOf(targets);
            if (state.Edges.Count > 0 && state.Edges[^1] is var last && last.Target == target && last.High + 1 == cuts[i])
                state.Edges[^1] = (last.Low, (byte)(cuts[i + 1] - 1), target);
            else
                state.Edges.Add(((byte)cuts[i], (byte)(cuts[i + 1] - 1), target));
        }
    }

    private int StateOf(List<int> members)
    {
        int[] set = Closure(members);
        if (_ids.TryGetValue(set, out int id)) return id;
        _budget.ChargeStates();
        id = _sets.Count;
        _sets.Add(set);
        _ids.Add(set, id);
        return id;
    }

    /// <summary>All states reached without a byte; splits themselves are left out.</summary>
    private int[] Closure(List<int> members)
    {
        _closure.Clear();
        foreach (int member in members) Visit(member);
        var kept = new List<int>();
        while (_pending.TryPop(out int next))
        {
            _budget.Tick();
            NfaState state = _nfa[next];
            if (state.Kind != NfaKind.Split)
            {
                kept.Add(next);
                continue;
            }
            Visit(state.Next);
            Visit(state.Other);
        }
        kept.Sort();
        return [.. kept];

        void Visit(int state)
        {
            if (state >= 0 && _closure.Add(state)) _pending.Push(state);
        }
    }

    private sealed class SetComparer : IEqualityComparer<int[]>
    {
        public static readonly SetComparer Instance = new();

        public bool Equals(int[]? x, int[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(int[] set)
        {
            var hash = new HashCode();
            foreach (int member in set) hash.Add(member);
            return hash.ToHashCode();
        }
    }
}

internal sealed class DeterministicState
{
    public bool Accepts { get; set; }

    /// <summary>Rising and separate.</summary>
    public List<(byte Low, byte High, int Target)> Edges { get; } = [];

    public List<(int Rule, int Target)> Calls { get; } = [];
}
