namespace SgLang.Scheduling;

/// <summary>The pages of one sequence, in order of position.</summary>
internal struct PageList()
{
    private int[] _items = [];

    public int Count { get; private set; }
    public readonly Span<int> Span => _items.AsSpan(0, Count);

    /// <summary>Makes room now, so that later appends do not allocate.</summary>
    public void Reserve(int capacity)
    {
        if (_items.Length < capacity) Array.Resize(ref _items, capacity);
    }

    public void Append(int page)
    {
        if (Count == _items.Length) Reserve(Math.Max(16, 2 * Count));
        _items[Count++] = page;
    }

    public void Append(ReadOnlySpan<int> pages)
    {
        if (Count + pages.Length > _items.Length) Reserve(Math.Max(Count + pages.Length, 2 * Count));
        pages.CopyTo(_items.AsSpan(Count));
        Count += pages.Length;
    }

    public void Clear() => Count = 0;
}
