namespace SgLang.Scheduling;

/// <summary>The free pages of the KV pool. Pages are numbered from 1; the most recently freed is handed out first.</summary>
internal sealed class PagePool
{
    private readonly int[] _free;
    private readonly bool[] _isFree; // [Capacity + 1], catches a page freed twice before it is shared by two requests

    public PagePool(int capacity)
    {
        Capacity = capacity;
        _free = new int[capacity];
        _isFree = new bool[capacity + 1];
        for (int i = 0; i < capacity; i++) Free(capacity - i);
    }

    public int Capacity { get; }
    public int FreeCount { get; private set; }

    public bool IsFree(int page) => _isFree[page];

    /// <summary>The caller has made sure that a page is free.</summary>
    public int Allocate()
    {
        if (FreeCount == 0) throw new InvalidOperationException("The KV page pool is empty; a plan allocated more than it reserved.");
        int page = _free[--FreeCount];
        _isFree[page] = false;
        return page;
    }

    public void Free(int page)
    {
        if (_isFree[page]) throw new InvalidOperationException($"KV page {page} was freed twice.");
        _isFree[page] = true;
        _free[FreeCount++] = page;
    }
}
