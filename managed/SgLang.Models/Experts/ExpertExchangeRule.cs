using SgLang.Core;
using SgLang.Runtime;

namespace SgLang.Models.Experts;

/// <summary>
/// When the ranks of a sparse layer deal its tokens out among themselves and send each to the ranks of its experts, instead of all computing on all
/// tokens. The latter costs two all-reduces, 4 (p - 1) / p of the activations a rank. The former costs one all-reduce's worth, whose two
/// halves stand around the layer, and sends a token's row to, and back from, only the ranks that have one of its k experts, or a share of one.
/// </summary>
public sealed record ExpertExchangeRule
{
    /// <summary>What the further messages and the wait for the routing cost in bytes: about 50 us of NVLink, 30 us of a CPU's memory.</summary>
    private const long GpuThreshold = 16 << 20, CpuThreshold = 256 << 10;

    public required int Rank { get; init; }
    public required int NumRanks { get; init; }

    /// <summary>Parts that the experts are spread over, of as many neighbouring ranks each, over which every expert of the part is cut.</summary>
    public required int NumParts { get; init; }
    public required int NumExperts { get; init; }
    public required int ExpertsPerToken { get; init; }

    /// <summary>Bytes of a row of activations.</summary>
    public required long RowBytes { get; init; }

    /// <summary>Bytes that a rank must save in a layer.</summary>
    public required long Threshold { get; init; }

    public int ExpertsPerPart => NumExperts / NumParts;
    public int RanksPerPart => NumRanks / NumParts;

    /// <summary>This rank's.</summary>
    public int Part => Rank / RanksPerPart;

    /// <summary>Null where tokens are never exchanged: no experts, or every rank has a share of all of them.</summary>
    public static ExpertExchangeRule? For(ModelConfig config, RankPlace place, DType dtype, DeviceKind kind, ExpertExchangeMode mode)
    {
        if (mode == ExpertExchangeMode.Never || place.EpSize == 1 || place.AttentionDpSize > 1 || config.NumExperts == 0) return null;
        return new ExpertExchangeRule
        {
            Rank = place.TpRank,
            NumRanks = place.TpSize,
            NumParts = place.EpSize,
            NumExperts = config.NumExperts,
            ExpertsPerToken = config.NumExpertsPerToken,
            RowBytes = config.HiddenSize * dtype.SizeInBytes(),
            Threshold = mode == ExpertExchangeMode.Always ? long.MinValue : kind == DeviceKind.Cpu ? CpuThreshold : GpuThreshold,
        };
    }

    /// <summary>The same answer on every rank.</summary>
    public bool Serves(long numTokens) => numTokens > 0 && SavedBytes(numTokens) >= Threshold;

    /// <summary>Bytes a rank saves in a layer when tokens choose experts evenly.</summary>
    public double SavedBytes(long numTokens)
    {
        // That a rank has a share of none of a token's k experts: k draws without replacement.
        double misses = 1;
        for (int i = 0; i < ExpertsPerToken; i++) misses *= (double)Math.Max(0, NumExperts - ExpertsPerPart - i) / (NumExperts - i);
        double others = (NumRanks - 1.0) / NumRanks * numTokens;
        double routing = others * ExpertsPerToken * (sizeof(int) + sizeof(float));
        return others * 2 * RowBytes * misses - routing;
    }
}
