using SgLang.Cli.Parsing;
using static SgLang.Cli.Parsing.FlagKind;

namespace SgLang.Cli.Commands;

/// <summary>Flags of profiler.</summary>
internal static class ProfilerFlags
{
    public static FlagSet All { get; } = new(
        new Flag("--url", Text, "The server's URL.") { Aliases = ["--base-url"] },
        new Flag("--host", Text, "The server's address, where no URL is given.") { Default = "localhost" },
        new Flag("--port", Integer, "The server's port, where no URL is given.") { Default = "30000", Min = 1, Max = 65535 },
        new Flag("--api-key", Text, "Sent as Authorization: Bearer KEY."),
        new Flag("--output-dir", Text, "Directory on the server under which the traces go; SGLANG_TORCH_PROFILER_DIR, else /tmp, when left out."),
        new Flag("--num-steps", Integer, "Steps to record.") { Default = "5", Min = 1, Max = int.MaxValue },
        new Flag("--start-step", Integer, "First step, counted since the server started; the next one when that has passed.") { Min = 0, Max = int.MaxValue },
        new Flag("--start-after-steps", Integer, "Steps to let pass before the first.") { Min = 0, Max = int.MaxValue },
        new Flag("--profile-by-stage", Switch, "Record prefill and decode steps into files of their own."),
        new Flag("--no-profile-by-stage", Switch, "The default."),
        new Flag("--profile-prefix", Text, "First part of the files' names."),
        new Flag("--cpu", Switch, "Record host activity; the default."),
        new Flag("--no-cpu", Switch, "Do not ask for host activity."),
        new Flag("--gpu", Switch, "Record device activity; the default."),
        new Flag("--no-gpu", Switch, "Do not ask for device activity."),
        new Flag("--mem", Switch, "Ask for memory history."),
        new Flag("--no-mem", Switch, "The default."),
        new Flag("--rpd", Switch, "Ask for rocpd; AMD only."),
        new Flag("--no-rpd", Switch, "The default."),
        new Flag("--merge-profiles", Switch, "Also merge the traces of all ranks."),
        new Flag("--no-merge-profiles", Switch, "The default."),
        new Flag("--trace-format", Text, "pftrace also writes each trace in Perfetto's own format.") { Default = "json", Choices = ["json", "pftrace"] },
        new Flag("--disable-tqdm", Switch, "Do not draw a progress bar; drawn on a terminal only."),
        new Flag("--detailed-annotations", Switch, "Step names with sums of lengths, for roofline models."));

    /// <summary>A pair of --x and --no-x.</summary>
    /// <exception cref="UsageException">Both are given.</exception>
    public static bool Pair(FlagValues flags, string name, bool absent)
    {
        bool yes = flags.Switch("--" + name), no = flags.Switch("--no-" + name);
        if (yes && no) throw new UsageException($"--{name} and --no-{name} exclude each other");
        return yes || (absent && !no);
    }
}
