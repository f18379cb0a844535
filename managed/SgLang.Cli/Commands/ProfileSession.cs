using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using SgLang.Cli.Parsing;
using SgLang.Protocol;
using SgLang.Protocol.Json;

namespace SgLang.Cli.Commands;

/// <summary>What a tool asks of a server's profiler.</summary>
internal sealed record ProfileWish
{
    public string? OutputDirectory { get; init; }
    public int NumSteps { get; init; } = ProfilerFlags.DefaultSteps;
    public int? StartStep { get; init; }
    public int? StartAfterSteps { get; init; }
    public bool ByStage { get; init; }
    public string? Prefix { get; init; }
    public IReadOnlyList<string> Activities { get; init; } = ["CPU", "GPU"];
    public bool MergeProfiles { get; init; }
    public bool DetailedAnnotations { get; init; }
    public string TraceFormat { get; init; } = "json";
}

/// <summary>One window of a server's profiler from its client's side: begin, wait for the files, or stop.</summary>
internal sealed class ProfileSession
{
    private static readonly TimeSpan s_pollInterval = TimeSpan.FromMilliseconds(100);

    private readonly HttpClient _client;

    private ProfileSession(HttpClient client, string directory)
    {
        _client = client;
        OutputDirectory = directory;
    }

    /// <summary>A new directory of this window's own, on the server.</summary>
    public string OutputDirectory { get; }

    public static HttpClient Connect(string url, string? apiKey)
    {
        if (!Uri.TryCreate(url, UriKind.Absolute, out Uri? address) || address.Scheme is not ("http" or "https"))
            throw new UsageException($"--url: must be an http or https URL, got '{url}'");
        var client = new HttpClient { BaseAddress = address, Timeout = Timeout.InfiniteTimeSpan };
        if (apiKey is not null) client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", apiKey);
        return client;
    }

    /// <exception cref="HttpRequestException">No answer, or a refusal, whose text is the message.</exception>
    public static async Task<ProfileSession> BeginAsync(HttpClient client, ProfileWish wish, TextWriter output, CancellationToken cancellation)
    {
        string root = wish.OutputDirectory ?? Environment.GetEnvironmentVariable("SGLANG_TORCH_PROFILER_DIR") ?? "/tmp";
        string time = (DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() / 1000.0).ToString("0.000", CultureInfo.InvariantCulture);
        string directory = Path.Combine(Path.GetFullPath(root), time);
        await output.WriteLineAsync($"Dump profiling traces to {directory}");
        await output.WriteLineAsync($"Waiting for {wish.NumSteps} steps and the trace to be flushed.... (profile_by_stage={(wish.ByStage ? "True" : "False")})");
        string info = await SendAsync(client, HttpMethod.Get, "/server_info", null, cancellation);
        var body = new JsonObject
        {
            ["output_dir"] = directory,
            ["num_steps"] = wish.NumSteps,
            ["activities"] = new JsonArray([.. wish.Activities.Select(name => (JsonNode)name)]),
            ["profile_by_stage"] = wish.ByStage,
            ["merge_profiles"] = wish.MergeProfiles,
            ["trace_format"] = wish.TraceFormat,
            ["detailed_annotations"] = wish.DetailedAnnotations,
            ["profile_prefix"] = wish.Prefix,
            ["start_step"] = wish.StartStep,
            ["start_after_steps"] = wish.StartAfterSteps,
        };
        await SendAsync(client, HttpMethod.Post, "/start_profile", ResponseJson.ToText(body, ProtocolJsonContext.Default.JsonObject), cancellation);
        // The server made the directory; on another machine it is not here.
        if (Directory.Exists(directory)) await File.WriteAllTextAsync(Path.Combine(directory, "server_args.json"), info, cancellation);
        return new ProfileSession(client, directory);
    }

    /// <summary>Files of the window once it has ended; null while it goes on.</summary>
    public async Task<JsonObject?> PollAsync(CancellationToken cancellation)
    {
        JsonNode status = JsonNode.Parse(await SendAsync(_client, HttpMethod.Get, "/profile_status", null, cancellation))!;
        return status["ranks"]?[0]?["last"] is JsonObject last && (string?)last["output_dir"] == OutputDirectory ? last : null;
    }

    /// <summary>Waits for the end, and prints the files. False when the server could not write them.</summary>
    public async Task<bool> WaitAsync(TextWriter output, TextWriter error, CancellationToken cancellation)
    {
        JsonObject? last;
        while ((last = await PollAsync(cancellation)) is null) await Task.Delay(s_pollInterval, cancellation);
        if ((string?)last["error"] is { } reason)
        {
            await error.WriteLineAsync($"The server could not write the trace: {reason}");
            return false;
        }
        foreach (JsonNode? file in last["files"]!.AsArray()) await output.WriteLineAsync((string?)file);
        await output.WriteLineAsync($"Steps recorded: {last["steps_recorded"]} ({last["first_step"]} to {last["last_step"]}). Records dropped: {last["records_dropped"]}.");
        return true;
    }

    /// <summary>Ends the window early; nothing happens when it has ended by itself.</summary>
    public async Task StopAsync(CancellationToken cancellation)
    {
        using HttpResponseMessage _ = await _client.PostAsync("/stop_profile", null, cancellation);
    }

    private static async Task<string> SendAsync(HttpClient client, HttpMethod method, string path, string? body, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(method, path);
        if (body is not null) request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        using HttpResponseMessage answer = await client.SendAsync(request, cancellation);
        string text = await answer.Content.ReadAsStringAsync(cancellation);
        return answer.IsSuccessStatusCode ? text : throw new HttpRequestException($"{path} answered {(int)answer.StatusCode}: {text}");
    }
}
