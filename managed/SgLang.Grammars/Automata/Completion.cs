namespace SgLang.Grammars.Automata;

/// <summary>Removes what can be entered but never completed, so that generation cannot run into a dead end.</summary>
internal static class Completion
{
    public static bool IsLive(DeterministicState state) => state.Accepts || state.Edges.Count > 0 || state.Calls.Count > 0;

    /// <summary>
    /// A state is live when it accepts, takes a byte to a live state, or calls a rule with a live start and returns to a live state. The least
    /// such set is found by walking backwards; edges and calls that leave it are dropped.
    /// </summary>
    public static void RemoveDeadEnds(List<DeterministicState> states, int[] ruleStart, CompileBudget budget)
    {
        var sources = new List<int>[states.Count];
        var callers = new List<(int State, int Target)>[ruleStart.Length];
        for (int s = 0; s < states.Count; s++)
        {
            budget.Tick();
            foreach ((_, _, int target) in states[s].Edges) (sources[target] ??= []).Add(s);
            foreach ((int rule, int target) in states[s].Calls)
            {
                (callers[rule] ??= []).Add((s, target));
                (sources[target] ??= []).Add(s);
            }
        }
        var rulesAt = new Dictionary<int, List<int>>();
        for (int rule = 0; rule < ruleStart.Length; rule++)
        {
            if (!rulesAt.TryGetValue(ruleStart[rule], out List<int>? at)) rulesAt[ruleStart[rule]] = at = [];
            at.Add(rule);
        }
        var live = new bool[states.Count];
        var pending = new Stack<int>();
        for (int s = 0; s < states.Count; s++)
            if (states[s].Accepts) MarkLive(s);
        while (pending.TryPop(out int state))
        {
            budget.Tick();
            foreach (int source in sources[state] ?? [])
                if (!live[source] && Leads(states[source])) MarkLive(source);
            if (!rulesAt.TryGetValue(state, out List<int>? started)) continue;
            foreach (int rule in started)
                foreach ((int caller, int target) in callers[rule] ?? [])
                    if (live[target] && !live[caller]) MarkLive(caller);
        }
        foreach (DeterministicState state in states)
        {
            state.Edges.RemoveAll(edge => !live[edge.Target]);
            state.Calls.RemoveAll(call => !live[call.Target] || !live[ruleStart[call.Rule]]);
        }

        void MarkLive(int state)
        {
            live[state] = true;
            pending.Push(state);
        }

        bool Leads(DeterministicState state)
        {
            foreach ((_, _, int target) in state.Edges)
                if (live[target]) return true;
            foreach ((int rule, int target) in state.Calls)
                if (live[target] && live[ruleStart[rule]]) return true;
            return false;
        }
    }
}
