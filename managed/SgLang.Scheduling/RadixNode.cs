namespace SgLang.Scheduling;

/// <summary>A run of whole pages below its parent in the <see cref="RadixTree"/>.</summary>
internal sealed class RadixNode(long id, RadixNode? parent, int[] tokens, int[] pages)
{
    private int[] _tokens = tokens, _pages = pages;
    private int _tokenCount = tokens.Length;

    /// <summary>Order of creation; never reused.</summary>
    public long Id { get; } = id;
    public RadixNode? Parent { get; set; } = parent;

    /// <summary>The name space of its prompts; of children of the root only, null below them and for the common one.</summary>
    public string? Space { get; set; }

    /// <summary>[PageCount * page_size]</summary>
    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, _tokenCount);

    /// <summary>[PageCount]</summary>
    public ReadOnlySpan<int> Pages => _pages.AsSpan(0, PageCount);
    public int PageCount { get; private set; } = pages.Length;
    public int ChildCount { get; set; }

    /// <summary>Holders of this node or of one below it; above 0 it is never evicted.</summary>
    public int LockCount { get; set; }

    /// <summary>Logical time of the last match or insertion through this node.</summary>
    public long LastAccess { get; set; }

    /// <summary>Logical time of the first insertion of its tokens.</summary>
    public long CreatedAt { get; init; }

    /// <summary>Requests that were admitted with its pages or brought them.</summary>
    public int Uses { get; set; }

    /// <summary>The best among those of the requests that inserted it; higher is better.</summary>
    public long Priority { get; set; }

    /// <summary>Place in the <see cref="EvictionHeap"/>; -1 while the node is not an unlocked leaf.</summary>
    public int HeapIndex { get; set; } = -1;

    /// <summary>Next node in the same bucket of the tree's child table.</summary>
    public RadixNode? BucketNext { get; set; }
    public ulong Hash { get; set; }

    /// <summary>Forgets the first pages, which a node above has taken over.</summary>
    public void DropFirst(int pages, int pageSize)
    {
        _tokens = Tokens[(pages * pageSize)..].ToArray();
        _pages = Pages[pages..].ToArray();
        PageCount = _pages.Length;
        _tokenCount = _tokens.Length;
    }

    /// <summary>Forgets the last pages, which have been freed; a quarter's use or less gives the arrays back.</summary>
    public void DropLast(int pages, int pageSize)
    {
        PageCount -= pages;
        _tokenCount -= pages * pageSize;
        if (PageCount > _pages.Length / 4) return;
        _tokens = Tokens.ToArray();
        _pages = Pages.ToArray();
    }
}
