namespace SgLang.Tokenization.Patterns;

internal enum Op : byte
{
    /// <summary>One code point of Set.</summary>
    Set,

    /// <summary>Between Min and Max code points of Set, as many as possible; gives some back on demand.</summary>
    Greedy,

    /// <summary>As Greedy, but gives nothing back.</summary>
    Possessive,

    /// <summary>Try X, then Y.</summary>
    Split,

    Jump,
    Anchor,

    /// <summary>Look-around: runs Body. X is 1 for a negative one; Max is the width of a look-behind in code points, or -1 for a look-ahead.</summary>
    Look,

    /// <summary>Runs Body and keeps its first match only.</summary>
    Atomic,
    Match,
}

internal readonly record struct Instruction(Op Op, CharSet? Set = null, int X = 0, int Y = 0, int Min = 0, int Max = 0, Instruction[]? Body = null);

/// <summary>Turns a pattern's tree into instructions for <see cref="CodePointRegex"/>.</summary>
internal static class PatternProgram
{
    private const int MaxInstructions = 20_000;

    public static Instruction[] Compile(PatternNode node)
    {
        var code = new List<Instruction>();
        Emit(code, node);
        code.Add(new Instruction(Op.Match));
        return [.. code];
    }

    private static void Emit(List<Instruction> code, PatternNode node)
    {
        if (code.Count > MaxInstructions)
        {
            throw new TokenizerException("regular expression: its repetitions unfold to too many instructions");
        }

        switch (node)
        {
            case SetNode set:
                code.Add(new Instruction(Op.Set, set.Set));
                break;
            case SequenceNode sequence:
                foreach (PatternNode item in sequence.Items)
                {
                    Emit(code, item);
                }

                break;
            case ChoiceNode choice:
                EmitChoice(code, choice.Options);
                break;
            case RepeatNode { Greed: Greed.Possessive, Body: not (SetNode or SequenceNode { Items: [SetNode] }) } repeat:
                code.Add(new Instruction(Op.Atomic, Body: Compile(repeat with { Greed = Greed.Greedy })));
                break;
            case RepeatNode repeat:
                EmitRepeat(code, repeat);
                break;
            case LookNode look:
                int width = look.Behind ? MaxWidth(look.Body) : -1;
                code.Add(new Instruction(Op.Look, X: look.Negative ? 1 : 0, Max: width, Body: Compile(look.Body)));
                break;
            case AtomicNode atomic:
                code.Add(new Instruction(Op.Atomic, Body: Compile(atomic.Body)));
                break;
            case AnchorNode anchor:
                code.Add(new Instruction(Op.Anchor, X: (int)anchor.Anchor));
                break;
        }
    }

    private static void EmitChoice(List<Instruction> code, IReadOnlyList<PatternNode> options)
    {
        var exits = new List<int>();
        for (int i = 0; i < options.Count; i++)
        {
            if (i == options.Count - 1)
            {
                Emit(code, options[i]);
                break;
            }

            int split = code.Count;
            code.Add(default);
            Emit(code, options[i]);
            exits.Add(code.Count);
            code.Add(default);
            code[split] = new Instruction(Op.Split, X: split + 1, Y: code.Count);
        }

        foreach (int exit in exits)
        {
            code[exit] = new Instruction(Op.Jump, X: code.Count);
        }
    }

    private static void EmitRepeat(List<Instruction> code, RepeatNode repeat)
    {
        SetNode? single = repeat.Body as SetNode ?? (repeat.Body is SequenceNode { Items: [SetNode item] } ? item : null);
        if (single is not null && repeat.Greed != Greed.Lazy)
        {
            Op op = repeat.Greed == Greed.Greedy ? Op.Greedy : Op.Possessive;
            code.Add(new Instruction(op, single.Set, Min: repeat.Min, Max: repeat.Max));
            return;
        }

        if (repeat.Max == int.MaxValue && MinWidth(repeat.Body) == 0)
        {
            throw new TokenizerException("regular expression: an unbounded repetition of something that may be empty is not supported");
        }

        for (int i = 0; i < repeat.Min; i++)
        {
            Emit(code, repeat.Body);
        }

        bool lazy = repeat.Greed == Greed.Lazy;
        if (repeat.Max == int.MaxValue)
        {
            int split = code.Count;
            code.Add(default);
            Emit(code, repeat.Body);
            code.Add(new Instruction(Op.Jump, X: split));
            code[split] = Branch(split + 1, code.Count, lazy);
            return;
        }

        var splits = new List<int>();
        for (int i = repeat.Min; i < repeat.Max; i++)
        {
            splits.Add(code.Count);
            code.Add(default);
            Emit(code, repeat.Body);
        }

        foreach (int split in splits)
        {
            code[split] = Branch(split + 1, code.Count, lazy);
        }
    }

    private static Instruction Branch(int body, int exit, bool lazy) => lazy ? new Instruction(Op.Split, X: exit, Y: body) : new Instruction(Op.Split, X: body, Y: exit);

    private static int MinWidth(PatternNode node) => node switch
    {
        SetNode => 1,
        SequenceNode sequence => sequence.Items.Sum(MinWidth),
        ChoiceNode choice => choice.Options.Min(MinWidth),
        RepeatNode repeat => repeat.Min * MinWidth(repeat.Body),
        AtomicNode atomic => MinWidth(atomic.Body),
        _ => 0,
    };

    private static int MaxWidth(PatternNode node) => node switch
    {
        SetNode => 1,
        SequenceNode sequence => sequence.Items.Sum(MaxWidth),
        ChoiceNode choice => choice.Options.Max(MaxWidth),
        RepeatNode { Max: int.MaxValue } => throw new TokenizerException("regular expression: a look-behind must have a bounded width"),
        RepeatNode repeat => repeat.Max * MaxWidth(repeat.Body),
        AtomicNode atomic => MaxWidth(atomic.Body),
        _ => 0,
    };
}
