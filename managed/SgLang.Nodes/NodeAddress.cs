using System.Globalization;
using System.Net;
using System.Net.Sockets;
using SgLang.Engine;

namespace SgLang.Nodes;

/// <summary>--dist-init-addr: where node 0 listens.</summary>
internal readonly record struct NodeAddress(string Host, int Port)
{
    /// <exception cref="EngineStartException">It is not host:port.</exception>
    public static NodeAddress Parse(string? text)
    {
        const string Rule = "must be HOST:PORT of node 0, the same on every node";
        if (text is null) throw new EngineStartException($"--dist-init-addr is needed with --nnodes above 1: it {Rule}.");
        int colon = text.LastIndexOf(':');
        string host = colon > 0 ? text[..colon].Trim('[', ']') : "";
        if (host.Length == 0 || !int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int port) || port > 65535)
            throw new EngineStartException($"--dist-init-addr {Rule}, got '{text}'.");
        return new NodeAddress(host, port);
    }

    /// <exception cref="EngineStartException">The name does not resolve.</exception>
    public async Task<IPAddress> ResolveAsync()
    {
        if (IPAddress.TryParse(Host, out IPAddress? address)) return address;
        try
        {
            IPAddress[] found = await Dns.GetHostAddressesAsync(Host).ConfigureAwait(false);
            return found.FirstOrDefault(a => a.AddressFamily == AddressFamily.InterNetwork) ?? found[0];
        }
        catch (SocketException error)
        {
            throw new EngineStartException($"--dist-init-addr: '{Host}' is neither an IP address nor a name that resolves.", error);
        }
    }

    public override string ToString() => Host.Contains(':') ? $"[{Host}]:{Port}" : $"{Host}:{Port}";
}
