using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace SgLang.Bench.Load;

/// <summary>
/// Plain HTTP/1.1 over sockets, one request at a time on each connection. Between a packet's arrival and its time stamp lies only the
/// dispatch of the socket's event (see <see cref="PreciseSockets"/>): no stream, no await, no thread pool.
/// </summary>
internal sealed class SocketLoadClient : ILoadClient
{
    private readonly LoadClientOptions _options;
    private readonly byte[] _head;
    private readonly byte[] _tail;
    private readonly Lock _gate = new();
    private readonly Stack<LoadConnection> _idle = [];
    private readonly HashSet<LoadConnection> _all = [];
    private readonly List<double> _connectTimes = [];
    private EndPoint? _resolved;
    private bool _isDisposed;

    public SocketLoadClient(LoadClientOptions options)
    {
        _options = options;
        Uri address = options.Address;
        StringBuilder head = new($"POST {address.PathAndQuery} HTTP/1.1\r\nHost: {address.Authority}\r\nContent-Type: application/json\r\nAccept: */*\r\n");
        if (options.FreshConnections) head.Append("Connection: close\r\n");
        foreach ((string name, string value) in options.Headers) head.Append($"{name}: {value}\r\n");
        _head = Encoding.UTF8.GetBytes(head.ToString());
        _tail = "\r\n\r\n"u8.ToArray();
    }

    public IReadOnlyList<double> ConnectTimes
    {
        get
        {
            lock (_gate) return [.. _connectTimes];
        }
    }

    public LoadClientOptions Options => _options;

    /// <summary>The bytes of a request, head included.</summary>
    public void Prepare(LoadRequest request)
    {
        StringBuilder own = new();
        foreach ((string name, string value) in request.Headers ?? []) own.Append($"{name}: {value}\r\n");
        own.Append(System.Globalization.CultureInfo.InvariantCulture, $"Content-Length: {request.Body.Length}");
        request.Wire = [.. _head, .. Encoding.UTF8.GetBytes(own.ToString()), .. _tail, .. request.Body];
    }

    public async Task OpenAsync(int count, CancellationToken cancellation)
    {
        if (_options.FreshConnections) return;
        for (int i = 0; i < count; i++)
        {
            try
            {
                LoadConnection connection = new(this, await ConnectAsync(cancellation).ConfigureAwait(false));
                Keep(connection);
                connection.Listen();
            }
            catch (SocketException)
            {
                return;
            }
        }
    }

    public void Send(LoadRequest request, RequestRecord record, Action<RequestRecord> done)
    {
        if (request.Wire is null) Prepare(request);
        Exchange exchange = new(request, record, done);
        LoadConnection? idle = null;
        lock (_gate) _idle.TryPop(out idle);
        if (idle is not null) idle.Begin(exchange);
        else _ = OpenAndSendAsync(exchange);
    }

    public void Abort()
    {
        LoadConnection[] open;
        lock (_gate) open = [.. _all];
        foreach (LoadConnection connection in open) connection.Close("the run was cancelled", mayRetry: false);
    }

    public void Dispose()
    {
        lock (_gate) _isDisposed = true;
        Abort();
    }

    /// <summary>A connection that can take another request.</summary>
    internal void Keep(LoadConnection connection)
    {
        lock (_gate)
        {
            if (_isDisposed) return;
            _all.Add(connection);
            _idle.Push(connection);
        }
    }

    internal void Forget(LoadConnection connection)
    {
        lock (_gate)
        {
            if (!_all.Remove(connection)) return;
            // Idle connections that the server closes are few; a stack has no removal.
            if (!_idle.Contains(connection)) return;
            LoadConnection[] rest = [.. _idle.Where(other => other != connection).Reverse()];
            _idle.Clear();
            foreach (LoadConnection other in rest) _idle.Push(other);
        }
    }

    /// <summary>Once more, on a connection of its own: the server had closed the idle one that it was sent on.</summary>
    internal void Retry(Exchange exchange) => ThreadPool.UnsafeQueueUserWorkItem(static state => _ = state.Client.OpenAndSendAsync(state.Exchange), (Client: this, Exchange: exchange), preferLocal: false);

    private async Task OpenAndSendAsync(Exchange exchange)
    {
        try
        {
            Socket socket = await ConnectAsync(CancellationToken.None).ConfigureAwait(false);
            LoadConnection connection = new(this, socket);
            lock (_gate) _all.Add(connection);
            connection.Begin(exchange);
            connection.Listen();
        }
        catch (SocketException e)
        {
            exchange.Fail($"{_options.Address.Authority}: {e.Message}");
        }
    }

    private async Task<Socket> ConnectAsync(CancellationToken cancellation)
    {
        Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            long start = Stopwatch.GetTimestamp();
            if (_resolved is { } known) await socket.ConnectAsync(known, cancellation).ConfigureAwait(false);
            else await socket.ConnectAsync(_options.Address.IdnHost, _options.Address.Port, cancellation).ConfigureAwait(false);
            _resolved ??= socket.RemoteEndPoint;
            lock (_gate) _connectTimes.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}

/// <summary>A request on its way. Completed once, by whichever thread claims it.</summary>
internal sealed class Exchange(LoadRequest request, RequestRecord record, Action<RequestRecord> done)
{
    public LoadRequest Request { get; } = request;
    public RequestRecord Record { get; } = record;

    /// <summary>A server may close an idle connection in the very moment a request is sent on it; that is tried again once.</summary>
    public bool WasRetried { get; set; }

    public void Complete() => done(Record);

    public void Fail(string reason)
    {
        Record.Error ??= reason;
        if (Record.Sent == 0) Record.Sent = Stopwatch.GetTimestamp();
        Record.Ended = Stopwatch.GetTimestamp();
        done(Record);
    }
}
