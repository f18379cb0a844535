using SgLang.Core;

namespace SgLang.Models;

/// <summary>What one rank has of a model: a pure function of the configuration and the rank's place.</summary>
public sealed record RankShare
{
    public required RankPlace Place { get; init; }

    /// <summary>Query heads.</summary>
    public required Shard Heads { get; init; }

    /// <summary>KV heads; with fewer than ranks, ranks that are neighbours have the same one.</summary>
    public required Shard KvHeads { get; init; }
    public required Shard Layers { get; init; }

    /// <summary>Of the sparse layers; whole for a dense model.</summary>
    public required Shard Experts { get; init; }

    /// <summary>Throws <see cref="ModelConfigException"/> for sizes that the model cannot be cut into, naming the option to change.</summary>
    public static RankShare Of(ModelConfig c, RankPlace place)
    {
        int tp = place.TpSize, attention = place.AttentionTpSize;
        string sharers = place.AttentionDpSize == 1 ? "--tp-size" : "--tp-size / --dp-size";
        Require(tp % place.AttentionDpSize == 0, "--dp-size", place.AttentionDpSize, $"must divide --tp-size, {tp}, with --enable-dp-attention");
        Require(c.NumHeads % attention == 0, sharers, attention, $"must divide num_attention_heads, {c.NumHeads}");
        Require(c.NumKvHeads % attention == 0 || attention % c.NumKvHeads == 0, sharers, attention, $"must divide num_key_value_heads, {c.NumKvHeads}, or be a multiple of it");
        bool hasDense = c.NumExperts == 0 || Enumerable.Range(0, c.NumLayers).Any(layer => !c.IsSparseLayer(layer));
        if (hasDense) Require(c.IntermediateSize % tp == 0, "--tp-size", tp, $"must divide intermediate_size, {c.IntermediateSize}");
        if (c.SharedExpertIntermediateSize > 0)
            Require(c.SharedExpertIntermediateSize % tp == 0, "--tp-size", tp, $"must divide shared_expert_intermediate_size, {c.SharedExpertIntermediateSize}");
        Require(place.PpSize <= c.NumLayers, "--pp-size", place.PpSize, $"must be at most num_hidden_layers, {c.NumLayers}");
        Require(tp % place.EpSize == 0, "--ep-size", place.EpSize, $"must divide --tp-size, {tp}");
        if (c.NumExperts > 0)
        {
            Require(c.NumExperts % place.EpSize == 0, "--ep-size", place.EpSize, $"must divide the number of experts, {c.NumExperts}");
            Require(c.MoeIntermediateSize % place.MoeTpSize == 0, "--tp-size / --ep-size", place.MoeTpSize, $"must divide the experts' intermediate size, {c.MoeIntermediateSize}");
        }
        else
        {
            Require(place.EpSize == 1, "--ep-size", place.EpSize, $"must be 1: {c.Architecture} has no experts");
        }
        return new RankShare
        {
            Place = place,
            Heads = Shard.Even(c.NumHeads, place.AttentionTpRank, attention),
            KvHeads = Shard.Heads(c.NumKvHeads, place.AttentionTpRank, attention),
            Layers = place.Layers(c.NumLayers),
            Experts = c.NumExperts == 0 ? Shard.Whole(0) : Shard.Even(c.NumExperts, place.EpRank, place.EpSize),
        };
    }

    private static void Require(bool condition, string option, int value, string rule)
    {
        if (!condition) throw new ModelConfigException($"{option} is {value}; it {rule}.");
    }
}
