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
        using HttpClient client = ProfileSession.Connect(flags.Text("--base-url") ?? $"http://{flags.Text("--host")}:{flags.Text("--port")}", flags.Text("--api-key"));
        try
        {
            await output.WriteLineAsync($"Running profiler with {steps} steps...");
            ProfileSession session = await ProfileSession.BeginAsync(client, new ProfileWish
            {
                NumSteps = steps,
                ByStage = flags.Switch("--profile-by-stage"),
                Prefix = flags.Text("--profile-prefix"),
            }, output, cancellation);
            int code = await request();
            if (await session.PollAsync(cancellation) is null) await session.StopAsync(cancellation);
            return await session.WaitAsync(output, error, cancellation) ? code : 1;
        }
        catch (HttpRequestException e)
        {
            await error.WriteLineAsync($"send-one: the profiler of {client.BaseAddress}: {e.Message}");
            return 1;
        }
    }
}
