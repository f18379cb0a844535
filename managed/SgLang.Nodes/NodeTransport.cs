using Google.Protobuf;
using SgLang.Engine;
using SgLang.Nodes.Wire;

namespace SgLang.Nodes;

/// <summary>What both ends of a link share.</summary>
internal static class NodeTransport
{
    /// <summary>HTTP/2's credit for unread bytes: enough to keep a fast link busy over its round trip.</summary>
    public const int WindowBytes = 8 << 20;

    public static readonly HeadMessage AliveFromHead = new() { Alive = new Alive() };
    public static readonly NodeMessage AliveFromNode = new() { Alive = new Alive() };

    public static StageTensor Of(in StageMessage message) => new()
    {
        Replica = message.Replica, TpRank = message.TpRank, FromStage = message.From, ToStage = message.To, Epoch = message.Epoch,
        // The stage made this copy to send it.
        Data = UnsafeByteOperations.UnsafeWrap(message.Data),
    };

    public static StageMessage Of(StageTensor tensor) => new(tensor.Replica, tensor.TpRank, tensor.FromStage, tensor.ToStage, tensor.Epoch, tensor.Data.Memory);
}
