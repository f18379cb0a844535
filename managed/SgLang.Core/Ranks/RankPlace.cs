namespace SgLang.Core;

/// <summary>
/// A rank's place in the world of one replica: `rank = ppRank * tpSize + tpRank`. Tensor-parallel groups are consecutive ranks; a pipeline
/// group has the ranks of equal tensor rank. Experts are spread over the expert ranks of a tensor group and each is cut over the ranks that
/// share an expert rank. Replicas are whole worlds of their own.
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

    /// <summary>Ranks of one replica.</summary>
    public int WorldSize => TpSize * PpSize;

    /// <summary>Within the replica.</summary>
    public int WorldRank => PpRank * TpSize + TpRank;

    /// <summary>Ranks that share each expert.</summary>
    public int MoeTpSize => TpSize / EpSize;
    public int MoeTpRank => TpRank % MoeTpSize;
    public int EpRank => TpRank / MoeTpSize;
    public bool IsFirstStage => PpRank == 0;
    public bool IsLastStage => PpRank == PpSize - 1;

    /// <summary>All places of all replicas in the order of devices: replica, stage, tensor rank.</summary>
    public static RankPlace[] All(int tpSize, int ppSize = 1, int epSize = 1, int dpSize = 1)
    {
        RankPlace[] places = new RankPlace[tpSize * ppSize * dpSize];
        for (int i = 0; i < places.Length; i++)
        {
            places[i] = new RankPlace
            {
                TpRank = i % tpSize, TpSize = tpSize, PpRank = i / tpSize % ppSize, PpSize = ppSize, EpSize = epSize, DpRank = i / (tpSize * ppSize), DpSize = dpSize,
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
