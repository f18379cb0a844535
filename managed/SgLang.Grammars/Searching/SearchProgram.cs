using SgLang.Grammars.Syntax;

namespace SgLang.Grammars.Searching;

internal enum SearchStateKind : byte
{
    /// <summary>A match ends here.</summary>
    Accept,

    /// <summary>One character of Set, then Next.</summary>
    Char,

    /// <summary>Next or Other, without a character; Other may be -1.</summary>
    Split,

    /// <summary>Next, at the beginning of the text only.</summary>
    Begin,
}

internal readonly record struct SearchState(SearchStateKind Kind, int Next = -1, int Other = -1, CharSet? Set = null);

/// <summary>
/// A regular expression as a nondeterministic automaton over characters, built from the back as <see cref="Automata.Nfa"/> is. Immutable, so
/// that searches share it.
/// </summary>
internal sealed class SearchProgram
{
    private readonly List<SearchState> _states = [new SearchState(SearchStateKind.Accept)];
    private readonly int _maxStates;

    /// <exception cref="GrammarException">It needs more than <paramref name="maxStates"/> states.</exception>
    public SearchProgram(Node node, int maxStates)
    {
        _maxStates = maxStates;
        Start = Add(node, 0);
    }

    public int Start { get; }
    public int Count => _states.Count;
    public SearchState this[int state] => _states[state];

    /// <summary>A state from which the node's language leads to <paramref name="next"/>.</summary>
    private int Add(Node node, int next)
    {
        switch (node)
        {
            case Node.Chars chars:
                return AddState(new SearchState(SearchStateKind.Char, next, Set: chars.Set));
            case Node.Begin:
                return AddState(new SearchState(SearchStateKind.Begin, next));
            case Node.Sequence sequence:
                for (int i = sequence.Items.Length - 1; i >= 0; i--) next = Add(sequence.Items[i], next);
                return next;
            case Node.Choice choice:
                int all = Add(choice.Items[^1], next);
                for (int i = choice.Items.Length - 2; i >= 0; i--) all = AddState(new SearchState(SearchStateKind.Split, Add(choice.Items[i], next), all));
                return all;
            case Node.Repeat repeat:
                return AddRepeat(repeat, next);
            default:
                throw new InvalidOperationException($"{node.GetType().Name} is no node of a regular expression");
        }
    }

    private int AddRepeat(Node.Repeat repeat, int next)
    {
        int state = next;
        if (repeat.Max is { } max)
        {
            for (int i = repeat.Min; i < max; i++) state = AddState(new SearchState(SearchStateKind.Split, Add(repeat.Item, state), next));
        }
        else
        {
            int loop = AddState(new SearchState(SearchStateKind.Split, next));
            _states[loop] = _states[loop] with { Other = Add(repeat.Item, loop) };
            state = loop;
        }
        for (int i = 0; i < repeat.Min; i++) state = Add(repeat.Item, state);
        return state;
    }

    private int AddState(SearchState state)
    {
        if (_states.Count >= _maxStates)
            throw new GrammarException($"it needs more than {_maxStates} states; use smaller repetition counts");
        _states.Add(state);
        return _states.Count - 1;
    }
}
