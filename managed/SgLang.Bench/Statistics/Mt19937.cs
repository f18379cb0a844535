namespace SgLang.Bench.Statistics;

/// <summary>The Mersenne twister MT19937 (Matsumoto and Nishimura 1998), which both numpy's legacy generator and Python's random are built on.</summary>
public sealed class Mt19937
{
    private const int Length = 624;
    private const int Shift = 397;

    private readonly uint[] _state = new uint[Length];
    private int _next = Length;

    private Mt19937()
    {
    }

    /// <summary>The plain initialisation (init_genrand), with which numpy seeds from an integer.</summary>
    public static Mt19937 FromInteger(uint seed)
    {
        var twister = new Mt19937();
        twister.Fill(seed);
        return twister;
    }

    /// <summary>Initialisation by array (init_by_array), with which Python seeds from an integer's 32-bit digits.</summary>
    public static Mt19937 FromKey(ReadOnlySpan<uint> key)
    {
        var twister = new Mt19937();
        twister.Fill(19650218);
        uint[] state = twister._state;
        int i = 1, j = 0;
        for (int k = Math.Max(Length, key.Length); k > 0; k--)
        {
            state[i] = (state[i] ^ ((state[i - 1] ^ (state[i - 1] >> 30)) * 1664525)) + key[j] + (uint)j;
            Advance(ref i);
            if (++j == key.Length) j = 0;
        }
        for (int k = Length - 1; k > 0; k--)
        {
            state[i] = (state[i] ^ ((state[i - 1] ^ (state[i - 1] >> 30)) * 1566083941)) - (uint)i;
            Advance(ref i);
        }
        state[0] = 0x80000000;
        return twister;

        void Advance(ref int index)
        {
            if (++index < Length) return;
            state[0] = state[Length - 1];
            index = 1;
        }
    }

    public uint NextUInt32()
    {
        if (_next == Length) Twist();
        uint y = _state[_next++];
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c5680;
        y ^= (y << 15) & 0xefc60000;
        return y ^ (y >> 18);
    }

    /// <summary>In [0, 1) with 53 bits, from two outputs.</summary>
    public double NextDouble()
    {
        uint a = NextUInt32() >> 5, b = NextUInt32() >> 6;
        return ((a * 67108864.0) + b) / 9007199254740992.0;
    }

    private void Fill(uint seed)
    {
        _state[0] = seed;
        for (int i = 1; i < Length; i++) _state[i] = (1812433253 * (_state[i - 1] ^ (_state[i - 1] >> 30))) + (uint)i;
    }

    private void Twist()
    {
        for (int i = 0; i < Length; i++)
        {
            uint y = (_state[i] & 0x80000000) | (_state[(i + 1) % Length] & 0x7fffffff);
            _state[i] = _state[(i + Shift) % Length] ^ (y >> 1) ^ ((y & 1) == 0 ? 0 : 0x9908b0dfu);
        }
        _next = 0;
    }
}
