using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using SgLang.Bench.Http;

namespace SgLang.Bench.Load;

/// <summary>The platform's HTTP client, for servers behind TLS. Its time stamps are some tens of microseconds later than those of <see cref="SocketLoadClient"/>.</summary>
internal sealed class HttpLoadClient : ILoadClient
{
    private readonly LoadClientOptions _options;
    private readonly HttpClient _http;
    private readonly Lock _gate = new();
    private readonly List<double> _connectTimes = [];
    private readonly CancellationTokenSource _aborted = new();

    public HttpLoadClient(LoadClientOptions options)
    {
        _options = options;
        _http = new HttpClient(new SocketsHttpHandler
        {
            MaxConnectionsPerServer = int.MaxValue,
            PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
            PooledConnectionLifetime = options.FreshConnections ? TimeSpan.Zero : Timeout.InfiniteTimeSpan,
            AutomaticDecompression = DecompressionMethods.None,
            UseProxy = false,
            UseCookies = false,
            ConnectCallback = ConnectAsync,
        }) { Timeout = Timeout.InfiniteTimeSpan };
        foreach ((string name, string value) in options.Headers) _http.DefaultRequestHeaders.TryAddWithoutValidation(name, value);
    }

    public IReadOnlyList<double> ConnectTimes
    {
        get
        {
            lock (_gate) return [.. _connectTimes];
        }
    }

    /// <summary>The pool opens connections by itself, with the requests.</summary>
    public Task OpenAsync(int count, CancellationToken cancellation) => Task.CompletedTask;

    public void Send(LoadRequest request, RequestRecord record, Action<RequestRecord> done) => _ = Task.Run(async () =>
    {
        await SendAsync(request, record).ConfigureAwait(false);
        done(record);
    });

    public void Abort() => _aborted.Cancel();

    public void Dispose()
    {
        _aborted.Cancel();
        _http.Dispose();
        _aborted.Dispose();
    }

    private async Task SendAsync(LoadRequest request, RequestRecord record)
    {
        try
        {
            using HttpRequestMessage message = new(HttpMethod.Post, _options.Address)
            {
                Content = new ByteArrayContent(request.Body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } },
            };
            foreach ((string name, string value) in request.Headers ?? []) message.Headers.TryAddWithoutValidation(name, value);
            record.Sent = Stopwatch.GetTimestamp();
            using HttpResponseMessage answer = await _http.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, _aborted.Token).ConfigureAwait(false);
            await using Stream stream = await answer.Content.ReadAsStreamAsync(_aborted.Token).ConfigureAwait(false);
            AnswerReader reader = new(_options.Shape, record);
            using MemoryStream body = new();
            LineSplitter lines = new();
            long at;
            while (true)
            {
                int count = await stream.ReadAsync(lines.Free(), _aborted.Token).ConfigureAwait(false);
                at = Stopwatch.GetTimestamp();
                if (count == 0 || record.Error is not null) break;
                lines.Received(count);
                if (answer.StatusCode != HttpStatusCode.OK || !_options.IsStreaming)
                {
                    body.Write(lines.Rest());
                    lines.Clear();
                    continue;
                }
                while (lines.TryRead(out ReadOnlySpan<byte> line)) reader.ReadLine(line, at);
            }
            AnswerEnding.Settle(_options, record, reader, (int)answer.StatusCode, answer.ReasonPhrase ?? "", body, lines.Rest(), at);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            record.Error = $"{e.GetType().Name}: {e.InnerException?.Message ?? e.Message}";
            record.Ended = Stopwatch.GetTimestamp();
        }
    }

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellation)
    {
        long start = Stopwatch.GetTimestamp();
        Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(context.DnsEndPoint, cancellation).ConfigureAwait(false);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
        lock (_gate) _connectTimes.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        return new NetworkStream(socket, ownsSocket: true);
    }
}
