namespace SgLang.Scheduling;

/// <summary>A growable run of ids. Starts on a caller's array and copies it only when it must grow.</summary>
internal struct TokenBuffer(int[] initial)
{
    private int[] items = initial;

    public int Count { get; private set; } = initial.Length;
    public readonly Span<int> Span => items.AsSpan(0, Count);

    /// <summary>Makes room now, so that later appends do not allocate.</summary>
    public void Reserve(int capacity)
    {
        if (items.Length < capacity) Array.Resize(ref items, capacity);
    }

    public void Append(int id)
    {
        if (Count == items.Length) Array.Resize(ref items, Math.Max(16, 2 * Count));
        items[Count++] = id;
    }

    public void Truncate(int count) => Count = Math.Min(Count, count);
}
