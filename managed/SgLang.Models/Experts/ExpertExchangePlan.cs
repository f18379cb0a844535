namespace SgLang.Models.Experts;

/// <summary>
/// Which rows go where in one layer, from the routing of all tokens: every rank computes its own part of it and all parts fit together. Tokens are
/// dealt out in runs of <see cref="Share"/>, rank by rank. A token is sent once to each rank that has some of its experts. Made once for a largest
/// step; allocates nothing after.
/// </summary>
public sealed class ExpertExchangePlan
{
    private readonly ExpertExchangeRule _rule;
    private readonly long[] _sendCounts;
    private readonly long[] _receiveCounts;
    private readonly int[] _next;
    private readonly bool[] _isWanted;

    public ExpertExchangePlan(ExpertExchangeRule rule)
    {
        _rule = rule;
        _sendCounts = new long[rule.NumRanks];
        _receiveCounts = new long[rule.NumRanks];
        _next = new int[rule.NumRanks];
        _isWanted = new bool[rule.NumRanks];
    }

    /// <summary>[ranks]: rows that this rank sends to each, itself included.</summary>
    public ReadOnlySpan<long> SendCounts => _sendCounts;

    /// <summary>[ranks]: rows that this rank gets from each.</summary>
    public ReadOnlySpan<long> ReceiveCounts => _receiveCounts;

    /// <summary>Tokens of a rank, but for the last ones.</summary>
    public static long Share(long numTokens, int numRanks) => (numTokens + numRanks - 1) / numRanks;

    /// <summary>The run of tokens that a rank has.</summary>
    public static (long First, long Count) Own(long numTokens, int rank, int numRanks)
    {
        long share = Share(numTokens, numRanks), first = Math.Min(numTokens, share * rank);
        return (first, Math.Min(numTokens, first + share) - first);
    }

    /// <summary>Most rows that a rank with so many tokens sends.</summary>
    public long MostSent(long ownTokens) => ownTokens * Math.Min(_rule.NumRanks, _rule.ExpertsPerToken * _rule.RanksPerPart);

    /// <param name="ids">[tokens * k]: the experts of all tokens.</param>
    /// <param name="sentRows">Written: for each row sent, in the order of destinations, which of this rank's tokens it is.</param>
    /// <param name="receivedRows">Written: for each row received, in the order of sources, which of all tokens it is.</param>
    /// <param name="combined">Written, [own tokens * ranks]: which of the rows that come back, in the order of <paramref name="sentRows"/>, is each rank's part of a token; -1: it has none.</param>
    /// <returns>Rows sent and received.</returns>
    public (int Sent, int Received) Fill(ReadOnlySpan<int> ids, Span<int> sentRows, Span<int> receivedRows, Span<int> combined)
    {
        int ranks = _rule.NumRanks, k = _rule.ExpertsPerToken, tokens = ids.Length / k;
        (long first, long count) = Own(tokens, _rule.Rank, ranks);
        long share = Share(tokens, ranks);
        Array.Clear(_sendCounts);
        Array.Clear(_receiveCounts);
        int received = 0;
        for (int token = 0; token < tokens; token++)
        {
            Mark(ids.Slice(token * k, k));
            if (_isWanted[_rule.Rank])
            {
                receivedRows[received++] = token;
                _receiveCounts[token / share]++;
            }
            if (token < first || token >= first + count) continue;
            for (int rank = 0; rank < ranks; rank++)
                if (_isWanted[rank]) _sendCounts[rank]++;
        }
        int sent = 0;
        for (int rank = 0; rank < ranks; rank++)
        {
            _next[rank] = sent;
            sent += (int)_sendCounts[rank];
        }
        for (int own = 0; own < count; own++)
        {
            Mark(ids.Slice((int)(first + own) * k, k));
            for (int rank = 0; rank < ranks; rank++)
            {
                int row = _isWanted[rank] ? _next[rank]++ : -1;
                combined[own * ranks + rank] = row;
                if (row >= 0) sentRows[row] = own;
            }
        }
        return (sent, received);
    }

    /// <summary>The ranks that have some of a token's experts, or a share of them.</summary>
    private void Mark(ReadOnlySpan<int> experts)
    {
        Array.Clear(_isWanted);
        int ranks = _rule.RanksPerPart;
        foreach (int expert in experts) _isWanted.AsSpan(expert / _rule.ExpertsPerPart * ranks, ranks).Fill(true);
    }
}
