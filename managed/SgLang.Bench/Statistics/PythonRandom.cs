using System.Numerics;

namespace SgLang.Bench.Statistics;

/// <summary>Python's random.Random, draw for draw.</summary>
public sealed class PythonRandom(uint seed)
{
    private readonly Mt19937 _twister = Mt19937.FromKey([seed]);

    public double NextDouble() => _twister.NextDouble();

    /// <summary>randrange(n): rejection over the bits of n.</summary>
    public int Below(int n)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(n, 1);
        int bits = 32 - BitOperations.LeadingZeroCount((uint)n);
        uint drawn;
        do drawn = _twister.NextUInt32() >> (32 - bits);
        while (drawn >= (uint)n);
        return (int)drawn;
    }

    /// <summary>choices(list, k) without weights, as indices below n.</summary>
    public int[] Choices(int n, int count)
    {
        int[] drawn = new int[count];
        for (int i = 0; i < count; i++) drawn[i] = (int)(NextDouble() * n);
        return drawn;
    }

    public void Shuffle<T>(IList<T> items)
    {
        for (int i = items.Count - 1; i >= 1; i--)
        {
            int j = Below(i + 1);
            (items[i], items[j]) = (items[j], items[i]);
        }
    }
}
