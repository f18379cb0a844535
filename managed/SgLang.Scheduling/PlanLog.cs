namespace SgLang.Scheduling;

/// <summary>
/// The latest decisions that left requests waiting, and how many there ever were of each cause. The scheduler's thread writes without
/// allocating or waiting; any thread reads.
/// </summary>
public sealed class PlanLog
{
    private const int Capacity = 1024;

    private readonly Slot[] _slots = new Slot[Capacity];
    private WaitCounts _counts;
    private long _written;

    /// <summary>Decisions since the start.</summary>
    public WaitCounts Counts => _counts;

    /// <summary>The latest decisions, oldest first, that overlap a time.</summary>
    /// <param name="from">Time stamp of the scheduler's TimeProvider.</param>
    public List<PlanDecision> Between(long from, long to, int max)
    {
        var decisions = new List<PlanDecision>();
        long end = Volatile.Read(ref _written);
        for (long i = end - 1; i >= Math.Max(0, end - Capacity) && decisions.Count < max; i--)
        {
            if (!TryRead(i, out PlanDecision decision)) continue;
            if (decision.LastTime < from) break;
            if (decision.FirstTime <= to) decisions.Add(decision);
        }
        decisions.Reverse();
        return decisions;
    }

    /// <summary>A decision that was worked out: one more of the last kind when nothing is different but its numbers.</summary>
    internal void Add(in PlanDecision decision)
    {
        _counts[(int)decision.Cause]++;
        if (_written > 0 && Last is var last && last.Cause == decision.Cause && last.Head == decision.Head && decision.Admitted == 0 && last.LastStep >= decision.FirstStep - 1)
        {
            Write(_written - 1, decision with
            {
                FirstStep = last.FirstStep, FirstTime = last.FirstTime, Admitted = last.Admitted, Count = last.Count + 1,
                LastStep = decision.FirstStep, LastTime = decision.FirstTime,
            });
            return;
        }
        Write(_written, decision with { Count = 1, LastStep = decision.FirstStep, LastTime = decision.FirstTime });
        Volatile.Write(ref _written, _written + 1);
    }

    /// <summary>What stood in the way of the step before stands in the way of this one.</summary>
    internal void Repeat(long step, long time)
    {
        if (_written == 0) return;
        PlanDecision last = Last;
        _counts[(int)last.Cause]++;
        Write(_written - 1, last with { Count = last.Count + 1, LastStep = step, LastTime = time });
    }

    private PlanDecision Last => _slots[(_written - 1) % Capacity].Decision;

    /// <summary>A slot's version is odd while it is written.</summary>
    private void Write(long index, in PlanDecision decision)
    {
        ref Slot slot = ref _slots[index % Capacity];
        Volatile.Write(ref slot.Version, slot.Version + 1);
        Interlocked.MemoryBarrier();
        slot.Decision = decision;
        slot.Index = index;
        Volatile.Write(ref slot.Version, slot.Version + 1);
    }

    private bool TryRead(long index, out PlanDecision decision)
    {
        ref Slot slot = ref _slots[index % Capacity];
        while (true)
        {
            long version = Volatile.Read(ref slot.Version);
            decision = slot.Decision;
            bool isIt = slot.Index == index;
            Interlocked.MemoryBarrier();
            if ((version & 1) == 0 && Volatile.Read(ref slot.Version) == version) return isIt;
            Thread.SpinWait(20);
        }
    }

    private struct Slot
    {
        public long Version, Index;
        public PlanDecision Decision;
    }
}
