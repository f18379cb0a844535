using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using SgLang.Bench.Reports;

namespace SgLang.Bench.Http;

/// <summary>The calls around a measurement: readiness, facts, cache flush. Nothing here is timed.</summary>
public sealed class ServerApi : IDisposable
{
    private static readonly TimeSpan s_attempt = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_betweenAttempts = TimeSpan.FromSeconds(1);

    /// <param name="authorization">Whole value of the Authorization header; null: none.</param>
    public ServerApi(Uri server, string? authorization = null, IReadOnlyList<KeyValuePair<string, string>>? headers = null)
    {
        Server = server;
        Http = new HttpClient(new SocketsHttpHandler { UseProxy = false, UseCookies = false, AutomaticDecompression = DecompressionMethods.None }) { Timeout = Timeout.InfiniteTimeSpan };
        if (authorization is not null) Http.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", authorization);
        foreach ((string name, string value) in headers ?? []) Http.DefaultRequestHeaders.TryAddWithoutValidation(name, value);
    }

    public Uri Server { get; }

    /// <summary>With the headers of every request.</summary>
    public HttpClient Http { get; }

    /// <summary>Null when the server does not answer, or not with JSON.</summary>
    public async Task<JsonNode?> GetJsonAsync(string path, CancellationToken cancellation)
    {
        try
        {
            return await GetTextAsync(path, cancellation) is { } text ? JsonNode.Parse(text) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Null when the server does not answer with success.</summary>
    public async Task<string?> GetTextAsync(string path, CancellationToken cancellation)
    {
        try
        {
            using HttpResponseMessage answer = await Http.GetAsync(new Uri(Server, path), cancellation);
            return answer.IsSuccessStatusCode ? await answer.Content.ReadAsStringAsync(cancellation) : null;
        }
        catch (HttpRequestException)
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
            if (body is not null) message.Content = Json(body);
            using HttpResponseMessage answer = await Http.SendAsync(message, cancellation);
            return answer.IsSuccessStatusCode ? null : $"{(int)answer.StatusCode}: {await answer.Content.ReadAsStringAsync(cancellation)}";
        }
        catch (HttpRequestException e)
        {
            return e.Message;
        }
    }

    /// <summary>Whether <paramref name="path"/> answers with success now.</summary>
    public async Task<bool> IsReadyAsync(string path, CancellationToken cancellation)
    {
        using var attempt = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        attempt.CancelAfter(s_attempt);
        try
        {
            using HttpResponseMessage answer = await Http.GetAsync(new Uri(Server, path), attempt.Token);
            return answer.IsSuccessStatusCode;
        }
        catch (Exception e) when (e is HttpRequestException || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            return false;
        }
    }

    /// <summary>Polls each second. False when it never answers.</summary>
    public async Task<bool> WaitUntilReadyAsync(string path, TimeSpan timeout, CancellationToken cancellation)
    {
        long start = Stopwatch.GetTimestamp();
        while (!await IsReadyAsync(path, cancellation))
        {
            if (Stopwatch.GetElapsedTime(start) + s_betweenAttempts > timeout) return false;
            await Task.Delay(s_betweenAttempts, cancellation);
        }
        return true;
    }

    public static ByteArrayContent Json(JsonNode body) =>
        new(Encoding.UTF8.GetBytes(ResultFile.ToLine(body))) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };

    public void Dispose() => Http.Dispose();
}
