namespace SgLang.Scheduling;

/// <summary>
/// Order of the dfs-weight policy: requests by the part of the prefix tree they end in, the part that most of them share first. A node weighs
/// as many requests as end in it or below; children are visited by falling weight, and a node's own requests come after theirs.
/// </summary>
internal sealed class DfsWeightOrder(int maxRequests)
{
    private readonly Dictionary<RadixNode, int> _indexOf = [];
    private readonly int[] _nextRequest = new int[maxRequests];
    private Entry[] _entries = new Entry[64];
    private int _count;

    /// <summary>Sorts in place; <paramref name="ends"/> has the deepest node of each request's cached prefix and is cleared.</summary>
    /// <param name="root">Of the tree that the nodes are in.</param>
    /// <param name="requests">At most as many as this was made for.</param>
    /// <param name="sorted">Room for the same number.</param>
    public void Sort(RadixNode root, Span<Request> requests, Span<RadixNode> ends, Span<Request> sorted)
    {
        _count = 0;
        int top = IndexOf(root);
        // Backwards, because each is pushed on the front of its node's list, which then is in order of arrival.
        for (int i = requests.Length - 1; i >= 0; i--)
        {
            int node = IndexOf(ends[i]);
            _nextRequest[i] = _entries[node].FirstRequest;
            _entries[node].FirstRequest = i;
            for (int above = node; above >= 0; above = _entries[above].Parent) _entries[above].Weight++;
        }
        for (int i = 0; i < _count; i++)
            if (_entries[i].Parent >= 0) LinkByWeight(i);
        Emit(top, requests, sorted);
        sorted[..requests.Length].CopyTo(requests);
        sorted.Clear();
        ends.Clear();
        Array.Clear(_entries, 0, _count);
        _indexOf.Clear();
    }

    /// <summary>The node's entry, made with those of all nodes above it where they are not known yet.</summary>
    private int IndexOf(RadixNode node)
    {
        if (_indexOf.TryGetValue(node, out int known)) return known;
        int first = _count, below = -1;
        for (RadixNode? current = node; current is not null; current = current.Parent)
        {
            if (_indexOf.TryGetValue(current, out known))
            {
                _entries[below].Parent = known;
                break;
            }
            if (_count == _entries.Length) Array.Resize(ref _entries, 2 * _count);
            _entries[_count] = new Entry { Id = current.Id, Parent = -1, FirstChild = -1, NextSibling = -1, FirstRequest = -1 };
            if (below >= 0) _entries[below].Parent = _count;
            below = _count;
            _indexOf.Add(current, _count++);
        }
        return first;
    }

    private void LinkByWeight(int index)
    {
        ref int link = ref _entries[_entries[index].Parent].FirstChild;
        while (link >= 0 && IsBefore(_entries[link], _entries[index])) link = ref _entries[link].NextSibling;
        _entries[index].NextSibling = link;
        link = index;
    }

    private static bool IsBefore(in Entry a, in Entry b) => a.Weight != b.Weight ? a.Weight > b.Weight : a.Id < b.Id;

    /// <summary>Post-order, without recursion: a tree may be as deep as a prompt has pages.</summary>
    private void Emit(int top, ReadOnlySpan<Request> requests, Span<Request> sorted)
    {
        int emitted = 0;
        int node = Deepest(top);
        while (node >= 0)
        {
            for (int i = _entries[node].FirstRequest; i >= 0; i = _nextRequest[i]) sorted[emitted++] = requests[i];
            node = _entries[node].NextSibling is var sibling and >= 0 ? Deepest(sibling) : _entries[node].Parent;
        }
    }

    private int Deepest(int node)
    {
        while (_entries[node].FirstChild >= 0) node = _entries[node].FirstChild;
        return node;
    }

    private struct Entry
    {
        public long Id;
        public int Parent, FirstChild, NextSibling, FirstRequest, Weight;
    }
}
