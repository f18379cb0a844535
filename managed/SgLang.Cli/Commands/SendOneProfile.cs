using SgLang.Bench.Profiling;
using SgLang.Cli.Parsing;

namespace SgLang.Cli.Commands;

/// <summary>send-one --profile: a window of the server's profiler around the one request.</summary>
internal static class SendOneProfile
{
    /// <summary>Runs the request, within a window when one is asked for. A request that took fewer steps ends the window.</summary>
    public static async Task<int> AroundAsync(FlagValues flags, TextWriter output, TextWriter error, Func<Task<int>> request, CancellationToken cancellation)
    {
        if (!flags.Switch("--profile")) return await request();
        int steps = flags.Integer("--profile-steps")!.Value;
        Uri server = BenchCommand.Address(flags.Text("--base-url") ?? $"http://{flags.Text("--host")}:{flags.Text("--port")}", "--base-url");
        using HttpClient http = ServerConnection.Open(server, flags.Text("--api-key"));
        ProfileClient profile = new(http, server);
        try
        {
            await output.WriteLineAsync($"Running profiler with {steps} steps...");
            await profile.AnnounceAndBeginAsync(new ProfileRequest
            {
                NumSteps = steps,
                ByStage = flags.Switch("--profile-by-stage"),
                Prefix = flags.Text("--profile-prefix"),
            }, output, cancellation);
            int code = await request();
            await profile.StopAsync(cancellation);
            return await profile.WaitAsync(output, error, bar: null, cancellation) ? code : 1;
        }
        catch (HttpRequestException e)
        {
            await error.WriteLineAsync($"send-one: the profiler of {server}: {e.Message}");
            return 1;
        }
    }
}
