using System.CommandLine;
using System.Runtime.InteropServices;
using SgLang.Bench.Profiling;
using SgLang.Cli.Parsing;

namespace SgLang.Cli.Commands;

/// <summary>`sglang profiler`: record some steps of a running server, wait for them, and name the files.</summary>
internal static class ProfilerCommand
{
    public static Command Create(TextWriter output, TextWriter error)
    {
        var command = new Command("profiler", "Record steps of a running server into trace files.");
        Dictionary<string, Option> options = FlagValues.Bind(command, ProfilerFlags.All);
        command.SetAction((result, _) => UntilSignalAsync(FlagValues.From(result, ProfilerFlags.All, options), output, error));
        return command;
    }

    /// <summary>A signal ends the window instead of leaving it open on the server.</summary>
    private static async Task<int> UntilSignalAsync(FlagValues flags, TextWriter output, TextWriter error)
    {
        using var stopping = new CancellationTokenSource();
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        return await RunAsync(flags, output, error, stopping.Token);

        void Stop(PosixSignalContext signal)
        {
            signal.Cancel = true;
            stopping.Cancel();
        }
    }

    internal static async Task<int> RunAsync(FlagValues flags, TextWriter output, TextWriter error, CancellationToken cancellation)
    {
        ProfileRequest request = Request(flags);
        Uri server = BenchCommand.Address(flags.Text("--url") ?? $"http://{flags.Text("--host")}:{flags.Text("--port")}", "--url");
        TextWriter? bar = !flags.Switch("--disable-tqdm") && error == Console.Error && !Console.IsErrorRedirected ? error : null;
        using HttpClient http = ServerConnection.Open(server, flags.Text("--api-key"));
        ProfileClient profile = new(http, server);
        bool hasBegun = false;
        try
        {
            await profile.AnnounceAndBeginAsync(request, output, cancellation);
            hasBegun = true;
            return await profile.WaitAsync(output, error, bar, cancellation) ? 0 : 1;
        }
        catch (OperationCanceledException) when (hasBegun)
        {
            await profile.StopAsync(CancellationToken.None);
            return await profile.WaitAsync(output, error, bar, CancellationToken.None) ? 0 : 1;
        }
        catch (OperationCanceledException)
        {
            await error.WriteLineAsync("profiler: stopped before the window began");
            return 1;
        }
        catch (HttpRequestException e)
        {
            await error.WriteLineAsync($"profiler: {server}: {e.Message}");
            return 1;
        }
    }

    internal static ProfileRequest Request(FlagValues flags)
    {
        List<string> activities = [];
        if (ProfilerFlags.Pair(flags, "cpu", absent: true)) activities.Add("CPU");
        if (ProfilerFlags.Pair(flags, "gpu", absent: true)) activities.Add("GPU");
        if (ProfilerFlags.Pair(flags, "mem", absent: false)) activities.Add("MEM");
        if (ProfilerFlags.Pair(flags, "rpd", absent: false)) activities.Add("RPD");
        if (activities.Count == 0) throw new UsageException("nothing to record: leave one of --cpu, --gpu, --mem and --rpd on");
        return new ProfileRequest
        {
            OutputDirectory = flags.Text("--output-dir"),
            NumSteps = flags.Integer("--num-steps")!.Value,
            StartStep = flags.Integer("--start-step"),
            StartAfterSteps = flags.Integer("--start-after-steps"),
            ByStage = ProfilerFlags.Pair(flags, "profile-by-stage", absent: false),
            Prefix = flags.Text("--profile-prefix"),
            Activities = activities,
            MergeProfiles = ProfilerFlags.Pair(flags, "merge-profiles", absent: false),
            TraceFormat = flags.Text("--trace-format")!,
            DetailedAnnotations = flags.Switch("--detailed-annotations"),
        };
    }
}
