namespace SgLang.Core;

/// <summary>Whether expert-parallel ranks send each other tokens or each compute its experts for all of them.</summary>
public enum ExpertExchangeMode : byte
{
    /// <summary>Where that moves enough fewer bytes.</summary>
    Auto,
    Never,

    /// <summary>In every step that is not replayed from a graph.</summary>
    Always,
}
