using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using SgLang.Profiling;

namespace SgLang.Cli.Commands;

/// <summary>Traces fetched from one server, and how its clock stands to ours.</summary>
internal sealed record RemoteTraces(string Url, IReadOnlyList<string> Paths, ClockOffset Clock)
{
    /// <summary>Round trips of one measurement; the quickest one bounds the error.</summary>
    private const int NumExchanges = 16;

    private static readonly TimeSpan s_pollInterval = TimeSpan.FromMilliseconds(200);

    /// <summary>Fetches the rank traces of one profile into a directory.</summary>
    /// <param name="wait">How long the profile may take to appear.</param>
    /// <exception cref="HttpRequestException">No answer, a refusal, or a profile that is not there or has failed.</exception>
    public static async Task<RemoteTraces> FetchAsync(string url, string? apiKey, string profileId, string directory, TimeSpan wait)
    {
        using HttpClient client = ServerConnection.Open(BenchCommand.Address(url, "--from"), apiKey);
        JsonNode profile = await FindAsync(client, url, profileId, wait);
        if ((string?)profile["error"] is { } error) throw new HttpRequestException($"{url}: profile {profileId} has failed there: {error}");
        List<string> paths = [];
        foreach (JsonNode? download in profile["downloads"]!.AsArray())
        {
            string name = Path.GetFileName((string)download!["file"]!);
            if (!RankFiles.IsRankTrace(name)) continue;
            string path = Path.Combine(directory, name);
            await DownloadAsync(client, (string)download["url"]!, path, (long)download["bytes"]!);
            paths.Add(path);
        }
        if (paths.Count == 0) throw new HttpRequestException($"{url}: profile {profileId} has no rank traces there any more");
        return new RemoteTraces(url, paths, await MeasureClockAsync(client));
    }

    /// <summary>How far the server's clock is ahead of ours.</summary>
    internal static async Task<ClockOffset> MeasureClockAsync(HttpClient client)
    {
        var exchanges = new List<ClockExchange>();
        // The first one opens the connection.
        for (int i = 0; i <= NumExchanges; i++)
        {
            long asked = TraceClock.NowNanoseconds();
            using HttpResponseMessage answer = await client.GetAsync("/profile_clock", HttpCompletionOption.ResponseContentRead);
            long arrived = TraceClock.NowNanoseconds();
            JsonNode clock = await ReadAsync(answer, "/profile_clock");
            if (i > 0) exchanges.Add(new ClockExchange(asked, (long)clock["received_ns"]!, (long)clock["answered_ns"]!, arrived));
        }
        return ClockExchange.Best(exchanges);
    }

    private static async Task<JsonNode> FindAsync(HttpClient client, string url, string profileId, TimeSpan wait)
    {
        long start = TimeProvider.System.GetTimestamp();
        while (true)
        {
            using HttpResponseMessage answer = await client.GetAsync("/profile_list");
            JsonNode list = await ReadAsync(answer, "/profile_list");
            // A used id may be used again; the last one is meant.
            JsonNode? found = list["profiles"]!.AsArray().LastOrDefault(profile => (string?)profile!["profile_id"] == profileId);
            if (found is not null) return found;
            if (TimeProvider.System.GetElapsedTime(start) >= wait)
            {
                string known = string.Join(", ", list["profiles"]!.AsArray().Select(profile => (string?)profile!["profile_id"]));
                throw new HttpRequestException(string.Create(CultureInfo.InvariantCulture, $"{url}: profile {profileId} is not there after {wait.TotalSeconds:0.#} s{(known.Length > 0 ? $"; there are {known}" : "")}"));
            }
            await Task.Delay(s_pollInterval);
        }
    }

    private static async Task DownloadAsync(HttpClient client, string address, string path, long bytes)
    {
        using HttpResponseMessage answer = await client.GetAsync(address, HttpCompletionOption.ResponseHeadersRead);
        if (!answer.IsSuccessStatusCode) throw new HttpRequestException($"{address} answered {(int)answer.StatusCode}: {await answer.Content.ReadAsStringAsync()}");
        await using FileStream file = new(path, FileMode.CreateNew);
        await answer.Content.CopyToAsync(file);
        if (file.Length != bytes) throw new HttpRequestException($"{address} gave {file.Length} bytes of {bytes}");
    }

    private static async Task<JsonNode> ReadAsync(HttpResponseMessage answer, string path)
    {
        string text = await answer.Content.ReadAsStringAsync();
        if (!answer.IsSuccessStatusCode) throw new HttpRequestException($"{path} answered {(int)answer.StatusCode}: {text}");
        try
        {
            return JsonNode.Parse(text)!;
        }
        catch (JsonException e)
        {
            throw new HttpRequestException($"{path} did not answer with JSON", e);
        }
    }
}
