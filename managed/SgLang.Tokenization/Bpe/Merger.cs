namespace SgLang.Tokenization.Bpe;

/// <summary>
/// Applies merges to a symbol sequence, lowest rank first and leftmost among equals. Short words scan for the best pair; long ones (a SentencePiece
/// model sees a whole text as one word) use a linked list and a heap: O(n log n). One per thread, buffers are kept.
/// </summary>
internal sealed class Merger
{
    private const int ScanLimit = 24;
    private const int KeptLength = 1 << 16;

    [ThreadStatic]
    private static Merger? t_instance;

    private readonly int[] _ranks = new int[ScanLimit];
    private readonly int[] _merged = new int[ScanLimit];
    private int[] _ids = new int[256];
    private int[] _next = [];
    private int[] _previous = [];
    private long[] _heap = [];
    private int _heapCount;
    private int _count;

    public static Merger ForThisThread() => t_instance ??= new Merger();

    public void Clear()
    {
        if (_ids.Length > KeptLength)
        {
            (_ids, _next, _previous, _heap) = (new int[256], [], [], []);
        }

        _count = 0;
    }

    public void Add(int id)
    {
        if (_count == _ids.Length)
        {
            Array.Resize(ref _ids, _count * 2);
        }

        _ids[_count++] = id;
    }

    /// <summary>Merges what was added; the result lives until the next use.</summary>
    public ReadOnlySpan<int> Merge(PairTable pairs)
    {
        if (_count > ScanLimit)
        {
            MergeByHeap(pairs);
        }
        else if (_count > 1)
        {
            MergeByScan(pairs);
        }

        return _ids.AsSpan(0, _count);
    }

    private void MergeByScan(PairTable pairs)
    {
        Span<int> ids = _ids;
        Span<int> ranks = _ranks;
        Span<int> merged = _merged;
        for (int i = 0; i + 1 < _count; i++)
        {
            (ranks[i], merged[i]) = pairs.Find(ids[i], ids[i + 1]);
        }

        while (_count > 1)
        {
            int best = 0;
            for (int i = 1; i + 1 < _count; i++)
            {
                best = ranks[i] < ranks[best] ? i : best;
            }

            if (ranks[best] == int.MaxValue)
            {
                return;
            }

            ids[best] = merged[best];
            ids[(best + 2).._count].CopyTo(ids[(best + 1)..]);
            if (best + 2 < _count)
            {
                ranks[(best + 2)..(_count - 1)].CopyTo(ranks[(best + 1)..]);
                merged[(best + 2)..(_count - 1)].CopyTo(merged[(best + 1)..]);
            }

            _count--;
            if (best + 1 < _count)
            {
                (ranks[best], merged[best]) = pairs.Find(ids[best], ids[best + 1]);
            }

            if (best > 0)
            {
                (ranks[best - 1], merged[best - 1]) = pairs.Find(ids[best - 1], ids[best]);
            }
        }
    }

    private void MergeByHeap(PairTable pairs)
    {
        int count = _count;
        if (_next.Length < count)
        {
            (_next, _previous) = (new int[_ids.Length], new int[_ids.Length]);
        }

        _heapCount = 0;
        for (int i = 0; i < count; i++)
        {
            _next[i] = i + 1;
            _previous[i] = i - 1;
            if (i + 1 < count)
            {
                Push(pairs.Find(_ids[i], _ids[i + 1]).Rank, i);
            }
        }

        while (_heapCount > 0)
        {
            long top = Pop();
            (int rank, int left) = ((int)(top >> 32), (int)top);
            int right = _next[left];
            if (right >= count || _ids[left] < 0)
            {
                continue; // the symbol was swallowed since
            }

            (int currentRank, int merged) = pairs.Find(_ids[left], _ids[right]);
            if (currentRank != rank)
            {
                continue; // a neighbour changed since
            }

            int after = _next[right];
            _ids[left] = merged;
            _ids[right] = -1;
            _next[left] = after;
            if (after < count)
            {
                _previous[after] = left;
                Push(pairs.Find(merged, _ids[after]).Rank, left);
            }

            int before = _previous[left];
            if (before >= 0)
            {
                Push(pairs.Find(_ids[before], merged).Rank, before);
            }
        }

        int kept = 0;
        for (int i = 0; i < count; i++)
        {
            if (_ids[i] >= 0)
            {
                _ids[kept++] = _ids[i];
            }
        }

        _count = kept;
    }

    /// <summary>Ordered by rank, then by position.</summary>
    private void Push(int rank, int position)
    {
        if (rank == int.MaxValue)
        {
            return;
        }

        if (_heapCount == _heap.Length)
        {
            Array.Resize(ref _heap, Math.Max(256, _heapCount * 2));
        }

        long key = (long)rank << 32 | (uint)position;
        int hole = _heapCount++;
        while (hole > 0 && _heap[hole - 1 >> 1] > key)
        {
            _heap[hole] = _heap[hole - 1 >> 1];
            hole = hole - 1 >> 1;
        }

        _heap[hole] = key;
    }

    private long Pop()
    {
        long top = _heap[0];
        long last = _heap[--_heapCount];
        int hole = 0;
        while (true)
        {
            int child = 2 * hole + 1;
            if (child >= _heapCount)
            {
                break;
            }

            if (child + 1 < _heapCount && _heap[child + 1] < _heap[child])
            {
                child++;
            }

            if (_heap[child] >= last)
            {
                break;
            }

            _heap[hole] = _heap[child];
            hole = child;
        }

        _heap[hole] = last;
        return top;
    }
}
