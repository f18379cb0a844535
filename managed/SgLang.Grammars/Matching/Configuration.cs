namespace SgLang.Grammars.Matching;

/// <summary>
/// All places a match can be in at once: states that take bytes, each with its stack. Equal configurations are one object, so what is
/// computed for one (its successors, its mask) is found again by every request that comes through it.
/// </summary>
internal sealed class Configuration((int State, StackFrame Stack)[] items, bool accepts, bool escapes, int numClasses)
{
    public (int State, StackFrame Stack)[] Items { get; } = items;

    /// <summary>The text so far is a whole match.</summary>
    public bool Accepts { get; } = accepts;

    /// <summary>The rule that the match began in may have ended; what follows depends on who called it.</summary>
    public bool Escapes { get; } = escapes;

    /// <summary>Nothing can follow, and nothing is complete.</summary>
    public bool IsDead => Items.Length == 0 && !Accepts && !Escapes;

    /// <summary>By byte class; null where not computed yet.</summary>
    public Configuration?[] Next { get; } = items.Length == 0 ? [] : new Configuration?[numClasses];

    /// <summary>Null until asked for.</summary>
    public uint[]? Mask { get; set; }
}
