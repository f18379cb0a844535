using System.Runtime.CompilerServices;

namespace SgLang.Scheduling;

/// <summary>Planning decisions by <see cref="WaitCause"/>, since the start or during one wait.</summary>
[InlineArray(NumCauses)]
public struct WaitCounts
{
    public const int NumCauses = (int)WaitCause.Paused + 1;

    private long _first;

    /// <summary>Those of the whole less those of the part.</summary>
    public static WaitCounts operator -(WaitCounts whole, in WaitCounts part)
    {
        for (int i = 0; i < NumCauses; i++) whole[i] -= part[i];
        return whole;
    }

    public static WaitCounts operator +(WaitCounts a, in WaitCounts b)
    {
        for (int i = 0; i < NumCauses; i++) a[i] += b[i];
        return a;
    }
}
