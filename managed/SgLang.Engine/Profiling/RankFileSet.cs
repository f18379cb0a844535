using SgLang.Core;
using SgLang.Profiling;

namespace SgLang.Engine;

/// <summary>
/// Which spans go to which rank's file: a rank's thread to its own, the thread of a replica's scheduler to the replica's first, and HTTP,
/// tokenizing and all else to the first of all.
/// </summary>
internal sealed class RankFileSet(RankPlace[] places, string backend)
{
    public static readonly RankFileSet Single = new([RankPlace.Single], "none");

    private const string RankPrefix = "sgl-rank-";
    private const string EnginePrefix = "sgl-engine";

    public int Count => places.Length;

    public RankPlace this[int rank] => places[rank];
    public int DpSize => places[0].DpSize;

    public static string RankThreadName(int rank) => $"{RankPrefix}{rank}";

    public static string EngineThreadName(int replica) => replica == 0 ? EnginePrefix : $"{EnginePrefix}-{replica}";

    /// <summary>What a rank's file says of itself.</summary>
    public TraceFileInfo Of(int rank, TraceFileInfo common)
    {
        if (places.Length == 1) return common;
        RankPlace place = places[rank];
        return common with
        {
            Rank = new RankCoordinates(place.TpRank, place.TpSize, place.DpRank, place.DpSize, place.PpRank, place.PpSize, place.EpRank, place.EpSize),
            RankIndex = rank,
            WorldSize = places.Length,
            Backend = backend,
            Groups = [.. Groups(place)],
            Includes = thread => FileOf(thread.Name) == rank,
            IncludesDevice = rank == 0,
        };
    }

    internal int FileOf(string thread)
    {
        // A rank's device has a track named after the rank's thread.
        if (thread.StartsWith(RankPrefix, StringComparison.Ordinal) && int.TryParse(thread.AsSpan(RankPrefix.Length).Trim(" device"), out int rank)) return rank;
        for (int i = 0; i < places.Length; i++)
            if (places[i].WorldRank == 0 && thread == EngineThreadName(places[i].DpRank)) return i;
        return 0;
    }

    private IEnumerable<RankGroupInfo> Groups(RankPlace place)
    {
        if (place.TpSize > 1) yield return new RankGroupInfo("tp", Indices(other => other.PpRank == place.PpRank));
        if (place.PpSize > 1) yield return new RankGroupInfo("pp", Indices(other => other.TpRank == place.TpRank));

        int[] Indices(Func<RankPlace, bool> isIn) =>
            [.. Enumerable.Range(0, places.Length).Where(i => places[i].DpRank == place.DpRank && isIn(places[i]))];
    }
}
