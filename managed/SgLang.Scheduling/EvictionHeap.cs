using SgLang.Core;

namespace SgLang.Scheduling;

/// <summary>
/// The unlocked leaves of the radix tree, the one to evict next on top. Nodes know their place, so joining, leaving and being touched cost
/// O(log leaves) and nothing ever scans the tree.
/// </summary>
internal sealed class EvictionHeap(RadixEvictionPolicy policy)
{
    /// <summary>Uses after which a node is protected under <see cref="RadixEvictionPolicy.Slru"/>.</summary>
    private const int ProtectedUses = 2;

    private RadixNode[] _items = new RadixNode[64];

    public int Count { get; private set; }
    public RadixNode Top => _items[0];

    public void Add(RadixNode node)
    {
        if (Count == _items.Length) Array.Resize(ref _items, 2 * Count);
        Place(node, Count++);
        SiftUp(node.HeapIndex);
    }

    public void Remove(RadixNode node)
    {
        int hole = node.HeapIndex;
        RadixNode last = _items[--Count];
        _items[Count] = null!;
        node.HeapIndex = -1;
        if (last == node) return;
        Place(last, hole);
        SiftDown(hole);
        SiftUp(last.HeapIndex);
    }

    /// <summary>The node's last access or priority has changed.</summary>
    public void Touched(RadixNode node)
    {
        SiftDown(node.HeapIndex);
        SiftUp(node.HeapIndex);
    }

    /// <summary>Whether a node is evicted before another one; a total order.</summary>
    public bool Less(RadixNode a, RadixNode b)
    {
        (long firstRank, long secondRank) = (Rank(a), Rank(b));
        if (firstRank != secondRank) return firstRank < secondRank;
        (long first, long second) = (Time(a), Time(b));
        return first != second ? first < second : a.Id < b.Id;
    }

    private long Rank(RadixNode node) => policy switch
    {
        RadixEvictionPolicy.Lfu => node.Uses,
        RadixEvictionPolicy.Slru => node.Uses >= ProtectedUses ? 1 : 0,
        RadixEvictionPolicy.Priority => node.Priority,
        _ => 0,
    };

    private long Time(RadixNode node) => policy switch
    {
        RadixEvictionPolicy.Fifo => node.CreatedAt,
        RadixEvictionPolicy.Filo => -node.CreatedAt,
        RadixEvictionPolicy.Mru => -node.LastAccess,
        _ => node.LastAccess,
    };

    private void Place(RadixNode node, int index)
    {
        _items[index] = node;
        node.HeapIndex = index;
    }

    private void SiftUp(int index)
    {
        RadixNode node = _items[index];
        while (index > 0 && _items[(index - 1) / 2] is var parent && Less(node, parent))
        {
            Place(parent, index);
            index = (index - 1) / 2;
        }
        Place(node, index);
    }

    private void SiftDown(int index)
    {
        RadixNode node = _items[index];
        while (true)
        {
            int child = 2 * index + 1;
            if (child >= Count) break;
            if (child + 1 < Count && Less(_items[child + 1], _items[child])) child++;
            if (!Less(_items[child], node)) break;
            Place(_items[child], index);
            index = child;
        }
        Place(node, index);
    }
}
