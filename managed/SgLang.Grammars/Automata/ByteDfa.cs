namespace SgLang.Grammars.Automata;

/// <summary>A deterministic automaton over bytes alone. State 0 is the start.</summary>
internal sealed class ByteDfa
{
    private readonly List<DeterministicState> _states;

    private ByteDfa(List<DeterministicState> states) => _states = states;

    public int NumStates => _states.Count;

    public bool Accepts(int state) => _states[state].Accepts;

    public IReadOnlyList<(byte Low, byte High, int Target)> Edges(int state) => _states[state].Edges;

    public static ByteDfa Of(Syntax.Node node, CompileBudget budget)
    {
        var nfa = new Nfa(budget);
        var subsets = new SubsetConstruction(nfa, budget);
        subsets.Run(nfa.Add(node, nfa.Accept));
        if (subsets.States.Exists(state => state.Calls.Count > 0)) throw new InvalidOperationException("An automaton over bytes calls no rules.");
        return new ByteDfa(subsets.States);
    }

    /// <summary>What both accept, or what the left accepts and the right does not.</summary>
    public static ByteDfa Product(ByteDfa left, ByteDfa right, bool isDifference, CompileBudget budget)
    {
        // A right side of -1 has died; only a difference goes on then.
        var ids = new Dictionary<(int, int), int>();
        var pairs = new List<(int Left, int Right)>();
        var states = new List<DeterministicState>();
        StateOf(0, 0);
        for (int s = 0; s < pairs.Count; s++)
        {
            (int l, int r) = pairs[s];
            bool rightAccepts = r >= 0 && right.Accepts(r);
            var state = new DeterministicState { Accepts = left.Accepts(l) && rightAccepts != isDifference };
            states.Add(state);
            foreach ((byte low, byte high, int target) in left.Edges(l))
            {
                int next = low;
                if (r >= 0)
                {
                    foreach ((byte rLow, byte rHigh, int rTarget) in right.Edges(r))
                    {
                        if (rHigh < next || rLow > high) continue;
                        if (isDifference && rLow > next) state.Edges.Add(((byte)next, (byte)(rLow - 1), StateOf(target, -1)));
                        state.Edges.Add(((byte)Math.Max(next, rLow), Math.Min(high, rHigh), StateOf(target, rTarget)));
                        next = rHigh + 1;
                    }
                }
                if (isDifference && next <= high) state.Edges.Add(((byte)next, high, StateOf(target, -1)));
            }
        }
        return new ByteDfa(states);

        int StateOf(int l, int r)
        {
            if (ids.TryGetValue((l, r), out int id)) return id;
            budget.ChargeStates();
            ids.Add((l, r), id = pairs.Count);
            pairs.Add((l, r));
            return id;
        }
    }
}
