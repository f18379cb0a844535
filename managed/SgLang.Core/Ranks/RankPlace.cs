namespace SgLang.Core;

/// <summary>
/// A rank's place in the world of one replica: `rank = ppRank * tpSize + tpRank`. Tensor-parallel groups are consecutive ranks; a pipeline
/// group has the ranks of equal tensor rank. Experts are spread over the expert ranks of a tensor group and each is cut over the ranks that
/// share an expert rank. Replicas are whole worlds of their own, or, with attention by data parallelism, parts of one tensor group.
/// </summary>
public sealed record RankPlace
{
    public static readonly RankPlace Single = new();

    public int TpRank { get; init; }
    public int TpSize { get; init; } = 1;
    public int PpRank { get; init; }
    public int PpSize { get; init; } = 1;

    /// <summary>Divides <see cref="TpSize"/>.</summary>
    public int EpSize { get; init; } = 1;
    public int DpRank { get; init; }
    public int DpSize { get; init; } = 1;

    /// <summary>
    /// Parts of the tensor group that each attend to requests of their own, while all of it computes the MLPs and experts of everybody's tokens;
    /// then also <see cref="DpSize"/>. 1: the whole group has the same requests. Divides <see cref="TpSize"/>.
    /// </summary>
    public int AttentionDpSize { get; init; } = 1;

    /// <summary>Ranks that attend to the same requests: they share heads, vocabulary and what is replicated.</summary>
    public int AttentionTpSize => TpSize / AttentionDpSize;
    public int AttentionTpRank => TpRank % AttentionTpSize;
    public int AttentionDpRank => TpRank / AttentionTpSize;

    /// <summary>Ranks that meet: of one replica, or of all with attention by data parallelism.</summary>
    public int WorldSize => TpSize * PpSize;

    /// <summary>Among those.</summary>
    public int WorldRank => PpRank * TpSize + TpRank;

    /// <summary>Ranks that share each expert.</summary>
    public int MoeTpSize => TpSize / EpSize;
    public int MoeTpRank => TpRank % MoeTpSize;
    public int EpRank => TpRank / MoeTpSize;
    public bool IsFirstStage => PpRank == 0;
    public bool IsLastStage => PpRank == PpSize - 1;

    /// <summary>All places of all replicas in the order of devices: replica, stage, tensor rank.</summary>
    /// <param name="dpAttention">The replicas share the ranks of one, of which each attends with as many.</param>
    public static RankPlace[] All(int tpSize, int ppSize = 1, int epSize = 1, int dpSize = 1, bool dpAttention = false)
    {
        RankPlace[] places = new RankPlace[tpSize * ppSize * (dpAttention ? 1 : dpSize)];
        for (int i = 0; i < places.Length; i++)
        {
            places[i] = new RankPlace
            {
                TpRank = i % tpSize, TpSize = tpSize, PpRank = i / tpSize % ppSize, PpSize = ppSize, EpSize = epSize, DpSize = dpSize,
                DpRank = dpAttention ? i % tpSize / (tpSize / dpSize) : i / (tpSize * ppSize), AttentionDpSize = dpAttention ? dpSize : 1,
            };
        }
        return places;
    }

    /// <summary>This stage's layers: as many for each, the last stages taking one more each where they do not divide.</summary>
    public Shard Layers(int numLayers)
    {
        int each = numLayers / PpSize, firstLonger = PpSize - numLayers % PpSize;
        int first = PpRank * each + Math.Max(0, PpRank - firstLonger);
        return new Shard(numLayers, first, each + (PpRank >= firstLonger ? 1 : 0));
    }

    public override string ToString() => $"tp {TpRank}/{TpSize} pp {PpRank}/{PpSize} ep {EpRank}/{EpSize} dp {DpRank}/{DpSize}";
}
