namespace SgLang.Engine;

/// <summary>What becomes of the requests there are when an engine pauses. Later ones wait.</summary>
public enum PauseMode : byte
{
    /// <summary>They are aborted.</summary>
    Abort,

    /// <summary>They go back to waiting without their KV and start again from prompt and output.</summary>
    Retract,

    /// <summary>They stay as they are, with their KV.</summary>
    InPlace,
}
