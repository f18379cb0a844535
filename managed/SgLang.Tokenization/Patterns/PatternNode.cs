namespace SgLang.Tokenization.Patterns;

internal abstract record PatternNode;

/// <summary>One code point out of a set.</summary>
internal sealed record SetNode(CharSet Set) : PatternNode;

internal sealed record SequenceNode(IReadOnlyList<PatternNode> Items) : PatternNode;

internal sealed record ChoiceNode(IReadOnlyList<PatternNode> Options) : PatternNode;

internal enum Greed { Greedy, Lazy, Possessive }

/// <summary><paramref name="Max"/> is int.MaxValue where there is no limit.</summary>
internal sealed record RepeatNode(PatternNode Body, int Min, int Max, Greed Greed) : PatternNode;

internal sealed record LookNode(PatternNode Body, bool Behind, bool Negative) : PatternNode;

internal sealed record AtomicNode(PatternNode Body) : PatternNode;

internal enum Anchor { LineStart, LineEnd, TextStart, TextEnd, TextEndOrNewline, WordBoundary, NotWordBoundary }

internal sealed record AnchorNode(Anchor Anchor) : PatternNode;
