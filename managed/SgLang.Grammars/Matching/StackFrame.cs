namespace SgLang.Grammars.Matching;

/// <summary>A call under way: where to go on when its rule ends, and the calls around it. Equal frames are one object.</summary>
internal sealed class StackFrame(int returnState, StackFrame? parent, long id)
{
    public int ReturnState { get; } = returnState;

    /// <summary>Null at the bottom.</summary>
    public StackFrame? Parent { get; } = parent;

    /// <summary>Orders frames; unique within a grammar.</summary>
    public long Id { get; } = id;
}
