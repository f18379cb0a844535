using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SgLang.Profiling;

/// <summary>What a record's numbers mean.</summary>
public enum TraceKind : byte
{
    /// <summary>A named span; A to D are the values of the name's arguments.</summary>
    Span,

    /// <summary>A model step: A its id, B its number of requests, C its new tokens, D its <see cref="StepMode"/>.</summary>
    Step,

    /// <summary>Sums over one group of the step recorded next on the same thread: A sum of q, B of k, C of q*q, D of q*k; Count is the group.</summary>
    StepGroup,

    /// <summary>A module of the model: A to D are the dimensions of its input, Count how many, Type the element type.</summary>
    Module,

    /// <summary>An operator: as a module.</summary>
    Operator,

    /// <summary>Cost of the operator recorded next on the same thread: A operations, B bytes.</summary>
    OperatorCost,

    /// <summary>The launch of a graph: A its number in <see cref="TraceRecorder.Graphs"/>, B pairs of query and key of the batch, C keys.</summary>
    GraphLaunch,
}

/// <summary>Kinds of a step, as they are spelled in a step's name.</summary>
public enum StepMode : byte
{
    Extend,
    Decode,
    Mixed,
}

/// <summary>Which files of a window by stage a record belongs to.</summary>
public enum TraceStage : byte
{
    /// <summary>Every file: work of no step in particular.</summary>
    Any,
    Extend,
    Decode,
}

/// <summary>One finished span; 64 bytes, a cache line.</summary>
[StructLayout(LayoutKind.Sequential, Size = 64)]
public struct TraceRecord
{
    /// <summary>Stopwatch ticks.</summary>
    public long Start;
    public long End;
    public long A, B, C, D;

    /// <summary>Of <see cref="TraceNames"/>.</summary>
    public int Name;

    /// <summary>A lane of <see cref="RequestLanes"/> + 1; 0 is the recording thread itself.</summary>
    public int Lane;
    public TraceKind Kind;
    public TraceStage Stage;
    public byte Count;
    public byte Type;

    /// <summary>Of <see cref="CallSites"/>; 0 where stacks are not recorded.</summary>
    public int Site;

    /// <summary>Overwrites all of it with a record of the thread that calls.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Fill(long start, long end, int name, TraceKind kind, TraceStage stage, byte count, byte type, long a, long b, long c, long d)
    {
        Start = start;
        End = end;
        A = a;
        B = b;
        C = c;
        D = d;
        Name = name;
        Lane = 0;
        Kind = kind;
        Stage = stage;
        Count = count;
        Type = type;
        Site = 0;
    }
}
