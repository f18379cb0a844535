namespace SgLang.Scheduling;

/// <summary>Free rows of the device's per-request tables.</summary>
internal sealed class RowPool
{
    private readonly int[] _free;

    public RowPool(int capacity)
    {
        _free = new int[capacity];
        for (int row = capacity - 1; row >= 0; row--) Return(row);
    }

    public int FreeCount { get; private set; }

    public int Take() => _free[--FreeCount];

    public void Return(int row) => _free[FreeCount++] = row;
}
