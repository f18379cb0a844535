namespace SgLang.Profiling;

/// <summary>The median of the latest values. Adding one moves at most all of them once; nothing is allocated. Not thread safe.</summary>
/// <param name="window">How many values count.</param>
public sealed class RunningMedian(int window)
{
    private readonly long[] _values = new long[window];
    private readonly long[] _sorted = new long[window];
    private int _next;

    /// <summary>Values that count now.</summary>
    public int Count { get; private set; }

    /// <summary>Of an even number of values, the upper one of the middle two; 0 of none.</summary>
    public long Value => Count == 0 ? 0 : _sorted[Count / 2];

    public void Add(long value)
    {
        if (Count == _values.Length) Remove(_values[_next]);
        _values[_next] = value;
        _next = (_next + 1) % _values.Length;
        int place = IndexOf(value);
        Array.Copy(_sorted, place, _sorted, place + 1, Count - place);
        _sorted[place] = value;
        Count++;
    }

    private void Remove(long value)
    {
        int place = IndexOf(value);
        Array.Copy(_sorted, place + 1, _sorted, place, Count - place - 1);
        Count--;
    }

    /// <summary>Of the value if it is there, else where it belongs.</summary>
    private int IndexOf(long value)
    {
        int place = Array.BinarySearch(_sorted, 0, Count, value);
        return place < 0 ? ~place : place;
    }
}
