using SgLang.Core;
using SgLang.Profiling;

namespace SgLang.Engine;

/// <summary>
/// Which spans go to which rank's file: a rank's thread to its own, the thread of a replica's scheduler to the replica's first, and HTTP,
/// tokenizing and all else to the first of all.
/// </summary>
/// <param name="places">Of the ranks of this node.</param>
/// <param name="world">Of all ranks; null where they are all here.</param>
/// <param name="ordinals">The device of each place; null where all have the same.</param>
internal sealed class RankFileSet(RankPlace[] places, string backend, RankPlace[]? world = null, int[]? ordinals = null)
{
    public static readonly RankFileSet Single = new([RankPlace.Single], "none");

    private const string RankPrefix = "sgl-rank-";
    private const string EnginePrefix = "sgl-engine";

    private readonly RankPlace[] _world = world ?? places;

    public int Count => places.Length;

    /// <summary>Of all nodes.</summary>
    public IReadOnlyList<RankPlace> World => _world;

    /// <summary>How files and answers name each rank of the world.</summary>
    public IReadOnlyList<string> Labels => [.. _world.Select(place => CoordinatesOf(place).Suffix)];

    public RankPlace this[int rank] => places[rank];
    public int DpSize => places[0].DpSize;

    public static string RankThreadName(int rank) => $"{RankPrefix}{rank}";

    public static string EngineThreadName(int replica) => replica == 0 ? EnginePrefix : $"{EnginePrefix}-{replica}";

    /// <summary>What the file of a rank of this node says of itself.</summary>
    public TraceFileInfo Of(int rank, TraceFileInfo common)
    {
        if (_world.Length == 1) return common;
        RankPlace place = places[rank];
        return common with
        {
            Rank = CoordinatesOf(place),
            RankIndex = Array.IndexOf(_world, place),
            WorldSize = _world.Length,
            Backend = backend,
            Groups = [.. Groups(place)],
            Includes = thread => FileOf(thread.Name) == rank,
            IsFirstOfProcess = rank == 0,
            OwnsDevice = device => ordinals is null ? rank == 0 : Array.IndexOf(ordinals, (int)device) == rank,
        };
    }

    /// <summary>The name of any rank's file.</summary>
    public string FileNameOf(int worldIndex, TraceFileInfo common) =>
        (common with { Rank = CoordinatesOf(_world[worldIndex]), WorldSize = _world.Length }).FileName;

    private static RankCoordinates CoordinatesOf(RankPlace place) =>
        new(place.TpRank, place.TpSize, place.DpRank, place.DpSize, place.PpRank, place.PpSize, place.EpRank, place.EpSize);

    internal int FileOf(string thread)
    {
        // A rank's device has a track named after the rank's thread.
        if (thread.StartsWith(RankPrefix, StringComparison.Ordinal) && int.TryParse(thread.AsSpan(RankPrefix.Length).Trim(" device"), out int rank)) return rank;
        for (int i = 0; i < places.Length; i++)
            if (places[i] is { PpRank: 0, AttentionTpRank: 0 } && thread == EngineThreadName(places[i].DpRank)) return i;
        return 0;
    }

    private IEnumerable<RankGroupInfo> Groups(RankPlace place)
    {
        if (place.AttentionTpSize > 1) yield return new RankGroupInfo("tp", Indices(other => other.PpRank == place.PpRank));
        if (place.PpSize > 1) yield return new RankGroupInfo("pp", Indices(other => other.TpRank == place.TpRank));

        if (place.AttentionDpSize > 1) yield return new RankGroupInfo("attn_dp", [.. Enumerable.Range(0, places.Length).Where(i => places[i].AttentionTpRank == place.AttentionTpRank)]);

        int[] Indices(Func<RankPlace, bool> isIn) =>
            [.. Enumerable.Range(0, _world.Length).Where(i => _world[i].DpRank == place.DpRank && isIn(_world[i]))];
    }
}
