using System.Net;
using System.Text.Json.Nodes;
using SgLang.Bench.Http;

namespace SgLang.Bench.Profiling;

/// <summary>
/// One window of a server's profiler from its client's side (spec/profiling.md 8.1): begin, wait for the files, or stop. The client's headers,
/// such as the API key's, go with every call.
/// </summary>
/// <param name="http">Not disposed.</param>
public sealed class ProfileClient(HttpClient http, Uri server)
{
    private static readonly TimeSpan s_pollInterval = TimeSpan.FromMilliseconds(100);

    private ProfileRequest _request = new();

    /// <summary>Of the window, on the server; empty before it is begun.</summary>
    public string OutputDirectory { get; private set; } = "";

    /// <exception cref="HttpRequestException">No answer, or a refusal, whose text is the message.</exception>
    public Task BeginAsync(ProfileRequest request, CancellationToken cancellation) => BeginAsync(request, request.NewDirectory(), cancellation);

    /// <summary>In a directory that several servers share.</summary>
    /// <exception cref="HttpRequestException">No answer, or a refusal, whose text is the message.</exception>
    public async Task BeginAsync(ProfileRequest request, string directory, CancellationToken cancellation)
    {
        _request = request;
        await SendAsync(HttpMethod.Post, "/start_profile", request.ToBody(directory), cancellation);
        OutputDirectory = directory;
    }

    /// <summary>As `sglang profiler` does: says what is waited for, begins, and leaves the server's facts beside the traces.</summary>
    /// <exception cref="HttpRequestException">No answer, or a refusal, whose text is the message.</exception>
    public async Task AnnounceAndBeginAsync(ProfileRequest request, TextWriter output, CancellationToken cancellation)
    {
        string directory = request.NewDirectory();
        await output.WriteLineAsync($"Dump profiling traces to {directory}");
        await output.WriteLineAsync($"Waiting for {request.NumSteps} steps and the trace to be flushed.... (profile_by_stage={(request.ByStage ? "True" : "False")})");
        string info = await SendAsync(HttpMethod.Get, "/server_info", null, cancellation);
        await BeginAsync(request, directory, cancellation);
        // The server made the directory; on another machine it is not here.
        if (Directory.Exists(directory)) await File.WriteAllTextAsync(Path.Combine(directory, "server_args.json"), info, cancellation);
    }

    /// <summary>How far the window is.</summary>
    public async Task<ProfileProgress> PollAsync(CancellationToken cancellation)
    {
        JsonNode? rank = JsonNode.Parse(await SendAsync(HttpMethod.Get, "/profile_status", null, cancellation))?["ranks"]?[0];
        if (rank?["last"] is JsonObject last && (string?)last["output_dir"] == OutputDirectory) return new ProfileProgress((long?)last["steps_recorded"] ?? 0, Result: last);
        return new ProfileProgress((long?)rank?["steps_recorded"] ?? 0, (string?)rank?["output_dir"] == OutputDirectory, (string?)rank?["state"] == "stopping");
    }

    /// <summary>Waits for the end, and prints the files. False when the server could not write them.</summary>
    /// <param name="bar">A terminal to draw progress on, or null.</param>
    public async Task<bool> WaitAsync(TextWriter output, TextWriter error, TextWriter? bar, CancellationToken cancellation)
    {
        ProfileProgress progress = await FollowAsync(bar, cancellation);
        JsonObject last = progress.Result!;
        if ((string?)last["error"] is { } reason)
        {
            await error.WriteLineAsync($"The server could not write the trace: {reason}");
            return false;
        }
        foreach (JsonNode? file in last["files"]!.AsArray()) await output.WriteLineAsync((string?)file);
        await output.WriteLineAsync($"Steps recorded: {last["steps_recorded"]} ({last["first_step"]} to {last["last_step"]}). Records dropped: {last["records_dropped"]}.");
        return true;
    }

    /// <summary>
    /// Ends the window early; nothing happens when it has ended by itself, or when another one is under way. Returns when the server has written
    /// its files.
    /// </summary>
    /// <exception cref="HttpRequestException">No answer, or a refusal, whose text is the message.</exception>
    public async Task StopAsync(CancellationToken cancellation)
    {
        try
        {
            if (!(await PollAsync(cancellation)).IsOpen) return;
        }
        catch (HttpRequestException e) when (e.StatusCode == HttpStatusCode.NotFound)
        {
            // A server of another make, which does not say how far it is.
            if (_request.EndsByItself) return;
        }
        try
        {
            await SendAsync(HttpMethod.Post, "/stop_profile", null, cancellation);
        }
        catch (HttpRequestException e) when (e.StatusCode == HttpStatusCode.Conflict)
        {
            // It ended between the question and the order.
        }
    }

    private async Task<ProfileProgress> FollowAsync(TextWriter? bar, CancellationToken cancellation)
    {
        while (true)
        {
            ProfileProgress progress = await PollAsync(cancellation);
            if (bar is not null)
            {
                // Blanks wipe the rest of a longer line before.
                await bar.WriteAsync("\r" + progress.ToText(_request.TotalSteps).PadRight(ProfileProgress.MaxWidth));
                if (progress.Result is not null) await bar.WriteLineAsync();
                await bar.FlushAsync(cancellation);
            }
            if (progress.Result is not null) return progress;
            await Task.Delay(s_pollInterval, cancellation);
        }
    }

    private async Task<string> SendAsync(HttpMethod method, string path, JsonObject? body, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(method, new Uri(server, path));
        if (body is not null) request.Content = ServerApi.Json(body);
        using HttpResponseMessage answer = await http.SendAsync(request, cancellation);
        string text = await answer.Content.ReadAsStringAsync(cancellation);
        return answer.IsSuccessStatusCode ? text : throw new HttpRequestException($"{path} answered {(int)answer.StatusCode}: {text}", null, answer.StatusCode);
    }
}
