namespace SgLang.Scheduling;

/// <summary>A growable run of ids. Starts on a caller's array and copies it only when it must grow.</summary>
internal struct TokenBuffer(int[] initial)
{
    private int[] _items = initial;

    public int Count { get; private set; } = initial.Length;
    public readonly Span<int> Span => _items.AsSpan(0, Count);

    /// <summary>Makes room now, so that later appends do not allocate.</summary>
    public void Reserve(int capacity)
    {
        if (_items.Length < capacity) Array.Resize(ref _items, capacity);
    }

    public void Append(int id)
    {
        if (Count == _items.Length) Array.Resize(ref _items, Math.Max(16, 2 * Count));
        _items[Count++] = id;
    }

    public void Truncate(int count) => Count = Math.Min(Count, count);
}
