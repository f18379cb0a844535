namespace SgLang.Core;

/// <summary>
/// Which node each rank is on. The stages of all replicas, in the order replica, stage, are dealt out in equal runs; the tensor ranks of a
/// stage stay together.
/// </summary>
public sealed record NodeLayout(int NumNodes, int TpSize, int PpSize, int DpSize)
{
    public static readonly NodeLayout Single = new(1, 1, 1, 1);

    private int StagesPerNode => PpSize * DpSize / NumNodes;

    /// <summary>Why these sizes cannot be laid out, for the user; null when they can.</summary>
    public string? Refusal
    {
        get
        {
            int stages = PpSize * DpSize;
            if (NumNodes > stages)
                return $"--nnodes {NumNodes} with --pp-size {PpSize} and --dp-size {DpSize} would cut the {TpSize} tensor ranks of a stage over nodes, and every layer " +
                       "would then wait for the network twice. Tensor parallelism stays within a node: " +
                       $"give each node a stage or a replica (--pp-size or --dp-size {NumNodes}), or lower --nnodes.";
            return stages % NumNodes != 0
                ? $"--nnodes {NumNodes} must divide --pp-size x --dp-size, {stages}: each node takes as many stages."
                : null;
        }
    }

    public int NodeOf(int replica, int stage) => NumNodes == 1 ? 0 : (replica * PpSize + stage) / StagesPerNode;

    public int NodeOf(RankPlace place) => NodeOf(place.DpRank, place.PpRank);

    /// <summary>Whether a replica's stages are on several nodes.</summary>
    public bool IsSpread(int replica) => NodeOf(replica, 0) != NodeOf(replica, PpSize - 1);

    /// <summary>Nodes that have a part of a replica, in rising order.</summary>
    public IEnumerable<int> NodesOf(int replica) => Enumerable.Range(NodeOf(replica, 0), NodeOf(replica, PpSize - 1) - NodeOf(replica, 0) + 1);
}
