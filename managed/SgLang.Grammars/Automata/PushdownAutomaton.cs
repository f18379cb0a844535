using SgLang.Grammars.Syntax;

namespace SgLang.Grammars.Automata;

/// <summary>
/// A grammar as one table: each rule is a deterministic automaton whose states take bytes and call rules; a stack of return states joins
/// them. Every state can still reach the end of its rule, so whatever has been matched can be completed.
/// </summary>
internal sealed class PushdownAutomaton
{
    /// <summary>Entries of the transition table, which bounds its memory (4 bytes each).</summary>
    private const long MaxTableEntries = 1 << 24;

    private readonly byte[] _classOf;
    private readonly int[] _next;
    private readonly (int Rule, int Target)[][] _calls;
    private readonly bool[] _accepts;
    private readonly bool[] _takesBytes;
    private readonly int[] _ruleStart;

    private PushdownAutomaton(List<DeterministicState> states, int[] ruleStart, int root, CompileBudget budget)
    {
        _ruleStart = ruleStart;
        Start = ruleStart[root];
        (_classOf, int numClasses) = Classes(states);
        NumClasses = numClasses;
        if ((long)states.Count * numClasses > MaxTableEntries)
            throw new GrammarException($"the grammar needs a table of more than {MaxTableEntries} transitions; use smaller repetition counts and length limits");
        _next = new int[states.Count * numClasses];
        Array.Fill(_next, -1);
        _calls = new (int, int)[states.Count][];
        _accepts = new bool[states.Count];
        _takesBytes = new bool[states.Count];
        for (int s = 0; s < states.Count; s++)
        {
            budget.Tick();
            DeterministicState state = states[s];
            _accepts[s] = state.Accepts;
            _takesBytes[s] = state.Edges.Count > 0;
            _calls[s] = [.. state.Calls];
            foreach ((byte low, byte high, int target) in state.Edges)
                for (int c = _classOf[low]; c <= _classOf[high]; c++) _next[s * numClasses + c] = target;
        }
    }

    /// <summary>Bytes of one class are alike to every state.</summary>
    public int NumClasses { get; }
    public int NumStates => _accepts.Length;
    public int Start { get; }

    public int ClassOf(byte value) => _classOf[value];

    /// <summary>-1 when the state takes no byte of the class.</summary>
    public int Next(int state, int byteClass) => _next[state * NumClasses + byteClass];

    public ReadOnlySpan<(int Rule, int Target)> Calls(int state) => _calls[state];

    public bool Accepts(int state) => _accepts[state];

    public bool TakesBytes(int state) => _takesBytes[state];

    public int RuleStart(int rule) => _ruleStart[rule];

    /// <summary>Nothing but the end of the rule is left: a call that returns here need not be remembered.</summary>
    public bool IsEnd(int state) => _accepts[state] && !_takesBytes[state] && _calls[state].Length == 0;

    /// <exception cref="GrammarException">It is too large, takes too long, recurs at the left, or matches nothing.</exception>
    public static PushdownAutomaton Compile(RuleSet rules, CompileBudget budget)
    {
        var states = new List<DeterministicState>();
        int[] start = new int[rules.Count];
        for (int rule = 0; rule < rules.Count; rule++)
        {
            var nfa = new Nfa(budget);
            var subsets = new SubsetConstruction(nfa, budget);
            subsets.Run(nfa.Add(rules.Body(rule), nfa.Accept));
            start[rule] = states.Count;
            foreach (DeterministicState state in subsets.States) states.Add(Shifted(state, start[rule]));
        }
        Completion.RemoveDeadEnds(states, start, budget);
        if (!Completion.IsLive(states[start[rules.Root]]))
            throw new GrammarException("the grammar matches no text at all: its parts contradict each other, or every rule calls itself without an end");
        LeftRecursion.Refuse(states, start, rules, budget);
        return new PushdownAutomaton(states, start, rules.Root, budget);
    }

    private static DeterministicState Shifted(DeterministicState state, int offset)
    {
        var shifted = new DeterministicState { Accepts = state.Accepts };
        foreach ((byte low, byte high, int target) in state.Edges) shifted.Edges.Add((low, high, target + offset));
        foreach ((int rule, int target) in state.Calls) shifted.Calls.Add((rule, target + offset));
        return shifted;
    }

    private static (byte[] ClassOf, int Count) Classes(List<DeterministicState> states)
    {
        var begins = new bool[257];
        begins[0] = true;
        foreach (DeterministicState state in states)
        {
            foreach ((byte low, byte high, _) in state.Edges)
            {
                begins[low] = true;
                begins[high + 1] = true;
            }
        }
        var classOf = new byte[256];
        int count = 0;
        for (int value = 0; value < 256; value++)
        {
            if (begins[value]) count++;
            classOf[value] = (byte)(count - 1);
        }
        return (classOf, count);
    }
}
