namespace SgLang.Scheduling;

/// <summary>
/// One or more planning decisions in a row that left requests waiting for the same cause, with the numbers of the last one that was worked
/// out in full; later ones only saw that nothing had changed.
/// </summary>
public readonly record struct PlanDecision
{
    public required WaitCause Cause { get; init; }

    /// <summary>The first step that this kept requests out of, and the last.</summary>
    public required long FirstStep { get; init; }
    public long LastStep { get; init; }

    /// <summary>Time stamps of the scheduler's TimeProvider.</summary>
    public required long FirstTime { get; init; }
    public long LastTime { get; init; }
    public long Count { get; init; }

    /// <summary>The rid that could not be admitted and that all others wait behind; null when the step was full before a next one was tried.</summary>
    public string? Head { get; init; }

    /// <summary>Tokens the head needs: prompt not cached, expected output and a page.</summary>
    public long NeededTokens { get; init; }

    /// <summary>Requests the step admitted before it stopped.</summary>
    public int Admitted { get; init; }

    /// <summary>What was left of the budget, in tokens: memory less all expected use, memory less this step's use, prompt tokens of the step, of its chunk.</summary>
    public long RemainingTotal { get; init; }
    public long RemainingCurrent { get; init; }
    public long RemainingInput { get; init; }

    /// <summary>Null when prompts are not cut.</summary>
    public int? RemainingChunk { get; init; }
    public int FreeTokens { get; init; }
    public int EvictableTokens { get; init; }
    public int FreeRows { get; init; }
    public int Running { get; init; }
    public int Waiting { get; init; }
    public double NewTokenRatio { get; init; }
}
