namespace SgLang.Scheduling;

/// <summary>Free rows of the device's per-request tables.</summary>
internal sealed class RowPool
{
    private readonly int[] free;

    public RowPool(int capacity)
    {
        free = new int[capacity];
        for (int row = capacity - 1; row >= 0; row--) Return(row);
    }

    public int FreeCount { get; private set; }

    public int Take() => free[--FreeCount];

    public void Return(int row) => free[FreeCount++] = row;
}
