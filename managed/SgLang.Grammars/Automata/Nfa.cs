namespace SgLang.Grammars.Automata;

internal enum NfaKind : byte
{
    /// <summary>The end of the language.</summary>
    Accept,

    /// <summary>One byte of [Low, High], then Next.</summary>
    Byte,

    /// <summary>A whole match of rule Other, then Next.</summary>
    Call,

    /// <summary>Next or Other, without a byte; Other may be -1.</summary>
    Split,
}

internal struct NfaState
{
    public NfaKind Kind;
    public byte Low;
    public byte High;
    public int Next;
    public int Other;
}

/// <summary>
/// A nondeterministic automaton, built from the back: <see cref="Add(Node, int)"/> puts a language before a state that is there already
/// (K. Thompson's construction by continuation).
/// </summary>
internal sealed class Nfa
{
    private readonly CompileBudget _budget;
    private readonly List<NfaState> _states = [];

    public Nfa(CompileBudget budget)
    {
        _budget = budget;
        Accept = AddState(new NfaState { Kind = NfaKind.Accept });
    }

    public int Accept { get; }
    public int Count => _states.Count;

    public NfaState this[int state] => _states[state];

    /// <summary>A state from which the node's language leads to <paramref name="next"/>.</summary>
    public int Add(Syntax.Node node, int next)
    {
        switch (node)
        {
            case Syntax.Node.Bytes bytes:
                for (int i = bytes.Value.Length - 1; i >= 0; i--) next = AddByte(bytes.Value[i], bytes.Value[i], next);
                return next;
            case Syntax.Node.Chars chars:
                return AddChars(chars.Set, next);
            case Syntax.Node.Sequence sequence:
                for (int i = sequence.Items.Length - 1; i >= 0; i--) next = Add(sequence.Items[i], next);
                return next;
            case Syntax.Node.Choice choice:
                return AddChoice(choice, next);
            case Syntax.Node.Repeat repeat:
                return AddRepeat(repeat, next);
            case Syntax.Node.Call call:
                return AddState(new NfaState { Kind = NfaKind.Call, Other = call.Rule, Next = next });
            case Syntax.Node.Both both:
                return Embed(ByteDfa.Product(ByteDfa.Of(both.Left, _budget), ByteDfa.Of(both.Right, _budget), isDifference: false, _budget), next);
            case Syntax.Node.Except except:
                return Embed(ByteDfa.Product(ByteDfa.Of(except.Left, _budget), ByteDfa.Of(except.Right, _budget), isDifference: true, _budget), next);
            case Syntax.Node.SeparatedList list:
                return AddList(list, next);
            default:
                throw new InvalidOperationException($"{node.GetType().Name} is no node of a grammar");
        }
    }

    private int AddState(NfaState state)
    {
        _budget.ChargeStates();
        _states.Add(state);
        return _states.Count - 1;
    }

    private int AddByte(byte low, byte high, int next) => AddState(new NfaState { Kind = NfaKind.Byte, Low = low, High = high, Next = next });

    private int AddSplit(int next, int other) => AddState(new NfaState { Kind = NfaKind.Split, Next = next, Other = other });

    private int AddChars(Syntax.CharSet set, int next)
    {
        // A state without a way out, for the empty set.
        int all = -1;
        foreach ((int first, int last) in set.Ranges)
        {
            Syntax.Utf8Ranges.Split(first, last, sequence =>
            {
                int state = next;
                for (int i = sequence.Length - 1; i >= 0; i--) state = AddByte(sequence[i].First, sequence[i].Last, state);
                all = all < 0 ? state : AddSplit(state, all);
            });
        }
        return all < 0 ? AddSplit(-1, -1) : all;
    }

    private int AddChoice(Syntax.Node.Choice choice, int next)
    {
        int all = -1;
        for (int i = choice.Items.Length - 1; i >= 0; i--)
        {
            int state = Add(choice.Items[i], next);
            all = all < 0 ? state : AddSplit(state, all);
        }
        return all < 0 ? AddSplit(-1, -1) : all;
    }

    private int AddRepeat(Syntax.Node.Repeat repeat, int next)
    {
        int state;
        if (repeat.Max is { } max)
        {
            state = next;
            for (int i = repeat.Min; i < max; i++) state = AddSplit(Add(repeat.Item, state), next);
        }
        else
        {
            int loop = AddSplit(next, -1);
            int body = Add(repeat.Item, loop);
            _states[loop] = _states[loop] with { Other = body };
            state = loop;
        }
        for (int i = 0; i < repeat.Min; i++) state = Add(repeat.Item, state);
        return state;
    }

    /// <summary>Two states a list position: before the first item that is there, and after it, where a separator must come.</summary>
    private int AddList(Syntax.Node.SeparatedList list, int next)
    {
        Syntax.Node separator = list.Separator;
        int rest = list.More is { } more ? Add(Syntax.Node.Star(Syntax.Node.Of(separator, more)), next) : next;
        int first = list.More is { } start ? AddSplit(Add(start, rest), next) : next;
        for (int i = list.Items.Length - 1; i >= 0; i--)
        {
            (Syntax.Node item, bool isRequired) = list.Items[i];
            int itemAsFirst = Add(item, rest);
            int itemAsNext = Add(separator, itemAsFirst);
            first = isRequired ? itemAsFirst : AddSplit(itemAsFirst, first);
            rest = isRequired ? itemAsNext : AddSplit(itemAsNext, rest);
        }
        return first;
    }

    private int Embed(ByteDfa dfa, int next)
    {
        int[] entry = new int[dfa.NumStates];
        for (int s = 0; s < entry.Length; s++) entry[s] = AddSplit(dfa.Accepts(s) ? next : -1, -1);
        for (int s = 0; s < entry.Length; s++)
        {
            int out_ = -1;
            foreach ((byte low, byte high, int target) in dfa.Edges(s))
            {
                int edge = AddByte(low, high, entry[target]);
                out_ = out_ < 0 ? edge : AddSplit(edge, out_);
            }
            _states[entry[s]] = _states[entry[s]] with { Other = out_ };
        }
        return dfa.NumStates == 0 ? AddSplit(-1, -1) : entry[0];
    }
}
