namespace SgLang.Server;

public enum ServerStatus
{
    /// <summary>Listening; the warm-up request has not been answered.</summary>
    Starting,
    Up,
    UnHealthy,
    ShuttingDown,
}

/// <summary>The server's status; shutting down is final.</summary>
public sealed class ServerState
{
    private int _status = (int)ServerStatus.Starting;

    public ServerStatus Status => (ServerStatus)Volatile.Read(ref _status);

    /// <summary>False, and nothing done, once the server shuts down.</summary>
    public bool TryChange(ServerStatus to)
    {
        while (true)
        {
            int seen = Volatile.Read(ref _status);
            if (seen == (int)ServerStatus.ShuttingDown) return to == ServerStatus.ShuttingDown;
            if (Interlocked.CompareExchange(ref _status, (int)to, seen) == seen) return true;
        }
    }
}
