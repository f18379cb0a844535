using SgLang.Grammars.Syntax;

namespace SgLang.Grammars.Automata;

/// <summary>Finds rules that call themselves before they take a byte: their stack would grow without end.</summary>
internal static class LeftRecursion
{
    public static void Refuse(List<DeterministicState> states, int[] ruleStart, RuleSet rules, CompileBudget budget)
    {
        bool[] matchesNothing = NullableRules(states, ruleStart, budget);
        var color = new byte[ruleStart.Length];
        for (int rule = 0; rule < ruleStart.Length; rule++) Visit(rule);

        // Depth-first over "calls first"; a rule met again while it is open closes a cycle. The stack is explicit: chains may be long.
        void Visit(int root)
        {
            if (color[root] != 0) return;
            var path = new Stack<(int Rule, IEnumerator<int> Calls)>();
            color[root] = 1;
            path.Push((root, FirstCalls(root)));
            while (path.TryPeek(out (int Rule, IEnumerator<int> Calls) top))
            {
                budget.Tick();
                if (!top.Calls.MoveNext())
                {
                    color[top.Rule] = 2;
                    path.Pop();
                    continue;
                }
                int next = top.Calls.Current;
                if (color[next] == 1)
                    throw new GrammarException($"rule '{rules.Name(next)}' calls itself before it takes a character (left recursion); write the repetition with * or put the recursive call last");
                if (color[next] == 2) continue;
                color[next] = 1;
                path.Push((next, FirstCalls(next)));
            }
        }

        IEnumerator<int> FirstCalls(int rule)
        {
            var seen = new HashSet<int> { ruleStart[rule] };
            var pending = new Stack<int>([ruleStart[rule]]);
            while (pending.TryPop(out int state))
            {
                foreach ((int called, int target) in states[state].Calls)
                {
                    yield return called;
                    if (matchesNothing[called] && seen.Add(target)) pending.Push(target);
                }
            }
        }
    }

    /// <summary>Rules that match the empty text.</summary>
    private static bool[] NullableRules(List<DeterministicState> states, int[] ruleStart, CompileBudget budget)
    {
        var nullable = new bool[ruleStart.Length];
        bool changed = true;
        while (changed)
        {
            changed = false;
            for (int rule = 0; rule < ruleStart.Length; rule++)
            {
                if (nullable[rule] || !ReachesEnd(ruleStart[rule])) continue;
                nullable[rule] = true;
                changed = true;
            }
        }
        return nullable;

        bool ReachesEnd(int start)
        {
            var seen = new HashSet<int> { start };
            var pending = new Stack<int>([start]);
            while (pending.TryPop(out int state))
            {
                budget.Tick();
                if (states[state].Accepts) return true;
                foreach ((int called, int target) in states[state].Calls)
                    if (nullable[called] && seen.Add(target)) pending.Push(target);
            }
            return false;
        }
    }
}
