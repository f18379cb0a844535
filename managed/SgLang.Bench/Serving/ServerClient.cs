using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using SgLang.Bench.Datasets;
using SgLang.Bench.Reports;

namespace SgLang.Bench.Serving;

/// <summary>Requests to one server over connections that are kept open, and how long opening them took.</summary>
public sealed class ServerClient : IDisposable
{
    private readonly ServingOptions _options;
    private readonly HttpClient _http;
    private readonly Uri _url;
    private readonly Lock _gate = new();
    private readonly List<double> _connectTimes = [];

    public ServerClient(ServingOptions options)
    {
        _options = options;
        _url = options.BaseUrl;
        SocketsHttpHandler handler = new()
        {
            MaxConnectionsPerServer = int.MaxValue,
            PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
            AutomaticDecompression = DecompressionMethods.None,
            UseProxy = false,
            UseCookies = false,
            ConnectCallback = ConnectAsync,
        };
        _http = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
        if (options.ApiKey is { } key) _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        foreach ((string name, string value) in options.Headers) _http.DefaultRequestHeaders.TryAddWithoutValidation(name, value);
    }

    /// <summary>Seconds each connection took to open; a request that opened one has that time in its latency.</summary>
    public IReadOnlyList<double> ConnectTimes
    {
        get
        {
            lock (_gate) return [.. _connectTimes];
        }
    }

    public async Task<JsonNode?> GetJsonAsync(string path, CancellationToken cancellation)
    {
        try
        {
            using HttpResponseMessage answer = await _http.GetAsync(new Uri(_url, path), cancellation);
            return answer.IsSuccessStatusCode ? JsonNode.Parse(await answer.Content.ReadAsStringAsync(cancellation)) : null;
        }
        catch (Exception e) when (e is HttpRequestException or JsonException)
        {
            return null;
        }
    }

    /// <summary>Null when it worked, else why not.</summary>
    public async Task<string?> PostAsync(Uri address, JsonObject? body, CancellationToken cancellation)
    {
        try
        {
            using HttpRequestMessage message = new(HttpMethod.Post, address);
            if (body is not null) message.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(ResultFile.ToLine(body))) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
            using HttpResponseMessage answer = await _http.SendAsync(message, cancellation);
            return answer.IsSuccessStatusCode ? null : $"{(int)answer.StatusCode}: {await answer.Content.ReadAsStringAsync(cancellation)}";
        }
        catch (HttpRequestException e)
        {
            return e.Message;
        }
    }

    /// <summary>Polls /v1/models each second until it answers 200. False when it never does.</summary>
    public async Task<bool> WaitUntilReadyAsync(TimeSpan timeout, CancellationToken cancellation)
    {
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            using CancellationTokenSource attempt = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            attempt.CancelAfter(TimeSpan.FromSeconds(5));
            try
            {
                using HttpResponseMessage answer = await _http.GetAsync(new Uri(_url, "/v1/models"), attempt.Token);
                if (answer.IsSuccessStatusCode) return true;
            }
            catch (Exception e) when (e is HttpRequestException || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
            {
                // Not there yet.
            }
            if (Stopwatch.GetElapsedTime(start) + TimeSpan.FromSeconds(1) > timeout) return false;
            await Task.Delay(TimeSpan.FromSeconds(1), cancellation);
        }
    }

    /// <summary>The bytes of a request's body, made before the clock starts.</summary>
    public byte[] Encode(PromptRow row, int outputLength, string model) =>
        Encoding.UTF8.GetBytes(ResultFile.ToLine(_options.Backend.Body(row, outputLength, model, _options)));

    /// <summary>Sends one request and reads its answer. Whatever goes wrong is in the record.</summary>
    public async Task SendAsync(byte[] body, RequestRecord record, CancellationToken cancellation)
    {
        try
        {
            using HttpRequestMessage message = new(HttpMethod.Post, new Uri(_url, _options.Backend.Path))
            {
                Content = new ByteArrayContent(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } },
            };
            record.Sent = Stopwatch.GetTimestamp();
            using HttpResponseMessage answer = await _http.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, cancellation).ConfigureAwait(false);
            if (!answer.IsSuccessStatusCode)
            {
                record.Error = $"{(int)answer.StatusCode} {answer.ReasonPhrase}: {await answer.Content.ReadAsStringAsync(cancellation).ConfigureAwait(false)}";
                record.Ended = Stopwatch.GetTimestamp();
                return;
            }
            await using Stream stream = await answer.Content.ReadAsStreamAsync(cancellation).ConfigureAwait(false);
            await ReadAsync(stream, new AnswerReader(_options.Backend.Shape, record), record, cancellation).ConfigureAwait(false);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            record.Error = $"{e.GetType().Name}: {e.InnerException?.Message ?? e.Message}";
            record.Ended = Stopwatch.GetTimestamp();
        }
    }

    public void Dispose() => _http.Dispose();

    private async Task ReadAsync(Stream stream, AnswerReader answer, RequestRecord record, CancellationToken cancellation)
    {
        if (!_options.IsStreaming)
        {
            using MemoryStream whole = new();
            await stream.CopyToAsync(whole, cancellation).ConfigureAwait(false);
            answer.ReadBody(whole.GetBuffer().AsSpan(0, (int)whole.Length), Stopwatch.GetTimestamp());
            answer.Complete();
            return;
        }
        LineSplitter lines = new();
        while (!answer.IsDone)
        {
            int count = await stream.ReadAsync(lines.Free(), cancellation).ConfigureAwait(false);
            // The clock is read when bytes are there, before any of them is looked at.
            long at = Stopwatch.GetTimestamp();
            if (count == 0) break;
            lines.Received(count);
            while (lines.TryRead(out ReadOnlySpan<byte> line)) answer.ReadLine(line, at);
        }
        if (!answer.IsDone)
        {
            answer.ReadLine(lines.Rest(), Stopwatch.GetTimestamp());
            if (!answer.IsDone) record.Error ??= "the stream ended without [DONE]";
            record.Ended = Stopwatch.GetTimestamp();
        }
        answer.Complete();
        // To the end, so that the connection can be used again.
        while (record.Error is null && await stream.ReadAsync(lines.Free(), cancellation).ConfigureAwait(false) > 0)
        {
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
