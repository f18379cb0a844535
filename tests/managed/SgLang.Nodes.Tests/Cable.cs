using System.Net;
using System.Net.Sockets;

namespace SgLang.Nodes.Tests;

/// <summary>A link that can be cut: from then on nothing passes, and neither side is told.</summary>
internal sealed class Cable : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly IPEndPoint _target;
    private readonly CancellationTokenSource _over = new();
    private readonly TaskCompletionSource _never = new();
    private volatile bool _isCut;

    public Cable(string target)
    {
        _target = IPEndPoint.Parse(target);
        _listener.Start();
        _ = AcceptAsync();
    }

    public string Address => _listener.LocalEndpoint.ToString()!;

    public void Cut() => _isCut = true;

    public void Dispose()
    {
        _over.Cancel();
        _never.TrySetResult();
        _listener.Dispose();
        _over.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true) _ = RelayAsync(await _listener.AcceptTcpClientAsync(_over.Token));
        }
        catch (Exception error) when (error is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task RelayAsync(TcpClient near)
    {
        using (near)
        using (TcpClient far = new())
        {
            await far.ConnectAsync(_target);
            await Task.WhenAll(CopyAsync(near.GetStream(), far.GetStream()), CopyAsync(far.GetStream(), near.GetStream()));
        }
    }

    private async Task CopyAsync(NetworkStream from, NetworkStream to)
    {
        byte[] buffer = new byte[64 << 10];
        try
        {
            while (await from.ReadAsync(buffer, _over.Token) is > 0 and int count)
            {
                if (_isCut) await _never.Task;
                await to.WriteAsync(buffer.AsMemory(0, count), _over.Token);
            }
            to.Socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception error) when (error is IOException or OperationCanceledException or SocketException or ObjectDisposedException)
        {
            to.Dispose();
        }
    }
}
