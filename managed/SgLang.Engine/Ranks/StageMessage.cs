namespace SgLang.Engine;

/// <summary>A tensor on its way between two stages of a replica.</summary>
/// <param name="Epoch">Resets of the replica before it was sent.</param>
internal readonly record struct StageMessage(int Replica, int TpRank, int From, int To, int Epoch, ReadOnlyMemory<byte> Data);
