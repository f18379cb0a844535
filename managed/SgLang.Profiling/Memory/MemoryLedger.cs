using System.Diagnostics;

namespace SgLang.Profiling;

/// <summary>
/// The blocks of memory that a device's context has, and what came and went while a window wants to know. The engine takes its memory at the
/// start, so that a step never comes here. Thread safe.
/// </summary>
public sealed class MemoryLedger
{
    private readonly Lock _gate = new();
    private readonly HashSet<MemoryBlock> _blocks = new(ReferenceEqualityComparer.Instance);
    private List<MemoryChange>? _changes;
    private MemoryBlock[] _atStart = [];
    private int _maxChanges;
    private long _dropped;

    /// <summary>To be given back to <see cref="Free"/>.</summary>
    public MemoryBlock Allocate(string name, MemoryUse use, long address, long numBytes, bool isOnHost)
    {
        MemoryBlock block = new(name, use, address, numBytes, isOnHost);
        lock (_gate)
        {
            _blocks.Add(block);
            Note(block, isFree: false);
        }
        return block;
    }

    public void Free(MemoryBlock block)
    {
        lock (_gate)
        {
            if (_blocks.Remove(block)) Note(block, isFree: true);
        }
    }

    /// <summary>Changes are kept from now on; those of an earlier window are forgotten.</summary>
    /// <param name="maxChanges">Later ones are counted only.</param>
    public void BeginHistory(int maxChanges)
    {
        lock (_gate)
        {
            _changes = [];
            _maxChanges = maxChanges;
            _dropped = 0;
            _atStart = [.. _blocks];
        }
    }

    public MemoryHistory EndHistory()
    {
        lock (_gate)
        {
            MemoryHistory history = new(_atStart, _changes ?? [], _dropped);
            _changes = null;
            _atStart = [];
            return history;
        }
    }

    private void Note(MemoryBlock block, bool isFree)
    {
        if (_changes is null) return;
        if (_changes.Count < _maxChanges) _changes.Add(new MemoryChange(Stopwatch.GetTimestamp(), block, isFree));
        else _dropped++;
    }
}
