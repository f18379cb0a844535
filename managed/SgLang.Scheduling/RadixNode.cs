namespace SgLang.Scheduling;

/// <summary>A run of whole pages below its parent in the <see cref="RadixTree"/>.</summary>
internal sealed class RadixNode(long id, RadixNode? parent, int[] tokens, int[] pages)
{
    /// <summary>Order of creation; never reused.</summary>
    public long Id { get; } = id;
    public RadixNode? Parent { get; set; } = parent;

    /// <summary>[Pages.Length * page_size]</summary>
    public int[] Tokens { get; set; } = tokens;
    public int[] Pages { get; set; } = pages;
    public int ChildCount { get; set; }

    /// <summary>Holders of this node or of one below it; above 0 it is never evicted.</summary>
    public int LockCount { get; set; }

    /// <summary>Logical time of the last match or insertion through this node.</summary>
    public long LastAccess { get; set; }

    /// <summary>Place in the <see cref="EvictionHeap"/>; -1 while the node is not an unlocked leaf.</summary>
    public int HeapIndex { get; set; } = -1;

    /// <summary>Next node in the same bucket of the tree's child table.</summary>
    public RadixNode? BucketNext { get; set; }
    public ulong Hash { get; set; }
}
