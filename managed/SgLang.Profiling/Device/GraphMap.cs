namespace SgLang.Profiling;

/// <summary>What an operator costs the device. What depends on the batch is told per unit, because a graph is replayed with other batches.</summary>
/// <param name="Flops">Multiplications and additions.</param>
/// <param name="Bytes">Read and written, each byte once.</param>
/// <param name="FlopsPerPair">For each pair of a query token and a key that it sees.</param>
/// <param name="BytesPerKey">For each key of the batch's sequences.</param>
public readonly record struct OperatorCost(long Flops, long Bytes, long FlopsPerPair = 0, long BytesPerKey = 0)
{
    public OperatorCost ForBatch(long pairs, long keys) => new(Flops + FlopsPerPair * pairs, Bytes + BytesPerKey * keys);

    public static OperatorCost Sum(IReadOnlyList<GraphOperator> operators)
    {
        OperatorCost sum = default;
        foreach (GraphOperator one in operators)
            sum = new OperatorCost(sum.Flops + one.Cost.Flops, sum.Bytes + one.Cost.Bytes, sum.FlopsPerPair + one.Cost.FlopsPerPair, sum.BytesPerKey + one.Cost.BytesPerKey);
        return sum;
    }
}

/// <summary>An operator that a graph has recorded: its first node and how many. Names are of <see cref="TraceNames"/>; module -1 is none.</summary>
public readonly record struct GraphOperator(int Module, int Operator, int FirstNode, int NumNodes, byte Rank, byte Type, long A, long B, long C, long D, OperatorCost Cost);

/// <summary>
/// Which operator and module each node of a graph comes from, written down while it was captured. No host code runs at a replay, so this is
/// what its kernels are attributed by: CUPTI's numbers of a graph's nodes rise in the order of recording.
/// </summary>
public sealed class GraphMap
{
    /// <param name="isActivity">For each node in the order of recording: whether its work is seen by CUPTI, as a kernel, a copy or a set.</param>
    public GraphMap(IReadOnlyList<GraphOperator> operators, ReadOnlySpan<bool> isActivity)
    {
        Operators = [.. operators];
        int[] ofNode = new int[isActivity.Length];
        Array.Fill(ofNode, -1);
        for (int i = 0; i < Operators.Length; i++)
        {
            GraphOperator op = Operators[i];
            // The innermost operator is the last one that claims a node.
            for (int node = op.FirstNode; node < op.FirstNode + op.NumNodes && node < ofNode.Length; node++) ofNode[node] = i;
        }
        List<int> ofActivity = [];
        for (int node = 0; node < ofNode.Length; node++)
            if (isActivity[node]) ofActivity.Add(ofNode[node]);
        OperatorOfActivity = [.. ofActivity];
    }

    public GraphOperator[] Operators { get; }

    /// <summary>For each kernel, copy and set of one replay in the order of recording: an index into <see cref="Operators"/>, or -1.</summary>
    public int[] OperatorOfActivity { get; }
}

/// <summary>All graphs of the process by number. Thread safe.</summary>
public sealed class GraphMaps
{
    private readonly Lock _gate = new();
    private readonly List<GraphMap?> _maps = [];

    public int Add(GraphMap map)
    {
        lock (_gate)
        {
            _maps.Add(map);
            return _maps.Count - 1;
        }
    }

    /// <summary>The graph is gone; traces that have it may still be written.</summary>
    public void Remove(int graph)
    {
        lock (_gate) _maps[graph] = null;
    }

    public GraphMap?[] Snapshot()
    {
        lock (_gate) return [.. _maps];
    }
}
