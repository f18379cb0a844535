using System.Diagnostics;

namespace SgLang.Integration.Tests;

/// <summary>A network of its own for a process, joined to this one's by a pair of virtual interfaces, which can be cut.</summary>
internal sealed class NetworkNamespace : IAsyncDisposable
{
    private readonly string _name;
    private readonly string _link;

    private NetworkNamespace(string name, string link, int subnet)
    {
        _name = name;
        _link = link;
        HostAddress = $"10.213.{subnet}.1";
    }

    /// <summary>This side's address.</summary>
    public string HostAddress { get; }

    /// <summary>What a command inside it begins with.</summary>
    public string[] Command => ["ip", "netns", "exec", _name];

    /// <summary>Null where the machine does not allow it.</summary>
    public static async Task<NetworkNamespace?> TryCreateAsync()
    {
        if (!OperatingSystem.IsLinux()) return null;
        int subnet = Environment.ProcessId % 250;
        NetworkNamespace made = new($"sgl-test-{Environment.ProcessId}", $"sgl{Environment.ProcessId}", subnet);
        string[] steps =
        [
            $"netns add {made._name}",
            $"link add {made._link} type veth peer name sgl0 netns {made._name}",
            $"addr add {made.HostAddress}/24 dev {made._link}",
            $"link set {made._link} up",
            $"-n {made._name} addr add 10.213.{subnet}.2/24 dev sgl0",
            $"-n {made._name} link set sgl0 up",
            $"-n {made._name} link set lo up",
        ];
        foreach (string step in steps)
        {
            if (await IpAsync(step)) continue;
            await made.DisposeAsync();
            return null;
        }
        return made;
    }

    /// <summary>Nothing passes any more; nobody is told.</summary>
    public async Task CutAsync() => Assert.True(await IpAsync($"link set {_link} down"), "the link cannot be cut");

    public async ValueTask DisposeAsync()
    {
        await IpAsync($"link del {_link}");
        await IpAsync($"netns del {_name}");
    }

    private static async Task<bool> IpAsync(string arguments)
    {
        try
        {
            using Process ip = Process.Start(new ProcessStartInfo("ip", arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
            await ip.WaitForExitAsync();
            return ip.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
