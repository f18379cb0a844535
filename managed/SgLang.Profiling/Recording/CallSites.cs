using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace SgLang.Profiling;

/// <summary>
/// Where the spans of one thread come from: a number for each name and context, and the call stack that was found there first. Walking a stack takes
/// some 10 to 20 us, so a thread does it once for each of them, and spends no more than a third of its time on it; turning frames into text is
/// left to <see cref="CallStacks"/>. Written by the thread, whose stacks anybody may copy meanwhile.
/// </summary>
internal sealed class CallSites
{
    private const int RestPerWalk = 2;

    /// <summary>The runtime's first walk may take milliseconds.</summary>
    private static readonly long s_longestRest = Stopwatch.Frequency / 5000;

    // Open addressing by the hash of the key; 0 is free.
    private long[] _keys = new long[64];
    private int[] _sites = new int[64];
    private CallSite[] _places = new CallSite[32];
    private int _count;
    private long _quietUntil;

    /// <summary>The number of a place, from 1.</summary>
    /// <param name="now">Stopwatch ticks.</param>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public int Of(int name, int context, long now)
    {
        long key = ((long)context << 32 | (uint)name) + 1;
        int mask = _keys.Length - 1, slot = (int)((ulong)(key * -7046029254386353131) >> 33) & mask;
        while (_keys[slot] != key)
        {
            if (_keys[slot] == 0)
            {
                Add(key, slot, name, context);
                break;
            }
            slot = (slot + 1) & mask;
        }
        int site = _keys[slot] == key ? _sites[slot] : _count;
        if (_places[site - 1].Stack is null && now >= _quietUntil) Walk(site);
        return site;
    }

    /// <summary>By number - 1.</summary>
    public CallSite[] Snapshot()
    {
        CallSite[] places = Volatile.Read(ref _places);
        return places.AsSpan(0, Math.Min(Volatile.Read(ref _count), places.Length)).ToArray();
    }

    private void Walk(int site)
    {
        long start = Stopwatch.GetTimestamp();
        _places[site - 1].Stack = new StackTrace(fNeedFileInfo: false);
        long end = Stopwatch.GetTimestamp();
        _quietUntil = end + Math.Min(RestPerWalk * (end - start), s_longestRest);
    }

    private void Add(long key, int slot, int name, int context)
    {
        if (_count == _places.Length)
        {
            CallSite[] larger = new CallSite[2 * _count];
            _places.CopyTo(larger, 0);
            Volatile.Write(ref _places, larger);
        }
        _places[_count] = new CallSite(name, context, null);
        _keys[slot] = key;
        _sites[slot] = _count + 1;
        Volatile.Write(ref _count, _count + 1);
        if (2 * _count > _keys.Length) Grow();
    }

    private void Grow()
    {
        long[] keys = _keys;
        int[] sites = _sites;
        _keys = new long[2 * keys.Length];
        _sites = new int[2 * keys.Length];
        int mask = _keys.Length - 1;
        for (int i = 0; i < keys.Length; i++)
        {
            if (keys[i] == 0) continue;
            int slot = (int)((ulong)(keys[i] * -7046029254386353131) >> 33) & mask;
            while (_keys[slot] != 0) slot = (slot + 1) & mask;
            _keys[slot] = keys[i];
            _sites[slot] = sites[i];
        }
    }
}

/// <summary>A place that spans come from.</summary>
/// <param name="Stack">Null where it was met only while its thread had no time to look.</param>
internal record struct CallSite(int Name, int Context, StackTrace? Stack);
