using System.Net.Http.Headers;

namespace SgLang.Cli.Commands;

/// <summary>A client of a running server for the commands that talk to one.</summary>
internal static class ServerConnection
{
    /// <param name="apiKey">Sent as a bearer's with every request; null: none.</param>
    public static HttpClient Open(Uri server, string? apiKey)
    {
        var client = new HttpClient { BaseAddress = server, Timeout = Timeout.InfiniteTimeSpan };
        if (apiKey is not null) client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", apiKey);
        return client;
    }
}
