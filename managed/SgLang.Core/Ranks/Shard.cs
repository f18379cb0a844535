namespace SgLang.Core;

/// <summary>The part [First, First + Count) of something of a size that one rank has.</summary>
public readonly record struct Shard(long Size, long First, long Count)
{
    public long End => First + Count;
    public bool IsWhole => Count == Size;

    public static Shard Whole(long size) => new(size, 0, size);

    /// <summary>Equal parts; the size must be a multiple of the number of ranks.</summary>
    public static Shard Even(long size, int rank, int numRanks)
    {
        if (size % numRanks != 0) throw new ArgumentException($"{size} does not divide by {numRanks} ranks");
        return new Shard(size, size / numRanks * rank, size / numRanks);
    }

    /// <summary>Heads of one rank: an equal part, or, with fewer heads than ranks, one head that consecutive ranks share.</summary>
    public static Shard Heads(int numHeads, int rank, int numRanks)
    {
        if (numHeads >= numRanks) return Even(numHeads, rank, numRanks);
        if (numRanks % numHeads != 0) throw new ArgumentException($"{numRanks} ranks do not divide by {numHeads} heads");
        return new Shard(numHeads, rank / (numRanks / numHeads), 1);
    }

    /// <summary>Rows of a vocabulary, which is thought padded to a multiple of 64 and cut into equal parts; the last ranks may have fewer, or none.</summary>
    /// <param name="padded">Rows of each part with the padding.</param>
    public static Shard Vocabulary(int size, int rank, int numRanks, out long padded)
    {
        const int Multiple = 64;
        padded = numRanks == 1 ? size : ((size + Multiple - 1L) / Multiple * Multiple + numRanks - 1) / numRanks;
        long first = Math.Min(size, padded * rank);
        return new Shard(size, first, Math.Min(size, first + padded) - first);
    }

    /// <summary>The same part of something whose every element is so many values: heads to features.</summary>
    public static Shard operator *(Shard shard, long factor) => new(shard.Size * factor, shard.First * factor, shard.Count * factor);
}
