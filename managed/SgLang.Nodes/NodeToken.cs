using System.Security.Cryptography;
using System.Text;
using Grpc.Core;

namespace SgLang.Nodes;

/// <summary>
/// The word that all nodes of a world share, as a header of every call. It keeps strangers out, not listeners: nothing is encrypted.
/// </summary>
internal static class NodeToken
{
    public const string Variable = "SGLANG_NODE_TOKEN";

    // Binary, since a header of text has no room for every character.
    private const string Header = "sgl-token-bin";

    public static void Add(Metadata headers, string? token)
    {
        if (token is not null) headers.Add(Header, Encoding.UTF8.GetBytes(token));
    }

    /// <summary>Why a call is turned away; null when it may go on.</summary>
    public static string? Refusal(Metadata headers, string? token)
    {
        byte[]? given = headers.GetValueBytes(Header);
        if (token is null) return given is null ? null : $"it has a token and node 0 has none: set {Variable} on all nodes or on none";
        if (given is null) return $"it has no token: set {Variable} to that of node 0";
        return CryptographicOperations.FixedTimeEquals(given, Encoding.UTF8.GetBytes(token)) ? null : $"its token is not node 0's: set {Variable} alike on all nodes";
    }
}
