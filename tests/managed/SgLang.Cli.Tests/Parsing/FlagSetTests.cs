using SgLang.Cli.Commands;
using SgLang.Cli.Parsing;

namespace SgLang.Cli.Tests.Parsing;

public class FlagSetTests
{
    private static readonly FlagSet s_flags = new(
        new Flag("--model-path", FlagKind.Text, "") { Aliases = ["--model"] },
        new Flag("--mem-fraction-static", FlagKind.Number, ""),
        new Flag("--cuda-graph-bs", FlagKind.IntegerList, ""),
        new Flag("--cuda-graph-max-bs", FlagKind.Integer, ""),
        new Flag("--chunked-prefill-size", FlagKind.Integer, ""),
        new Flag("--skip-server-warmup", FlagKind.Switch, ""),
        new Flag("--skip-tokenizer-init", FlagKind.Switch, ""));

    private static string Line(params string[] arguments) => string.Join(" | ", s_flags.Canonicalize(arguments));

    private static string Error(params string[] arguments) => Assert.Throws<UsageException>(() => s_flags.Canonicalize(arguments)).Message;

    [Fact]
    public void Unique_prefixes_are_completed()
    {
        Assert.Equal("--mem-fraction-static=0.8", Line("--mem-frac=0.8"));
        Assert.Equal("--mem-fraction-static=0.8", Line("--mem", "0.8"));
        Assert.Equal("--skip-server-warmup", Line("--skip-s"));
    }

    [Fact]
    public void Names_and_aliases_of_one_flag_are_no_ambiguity()
    {
        Assert.Equal("--model-path=a", Line("--mod", "a"));
        Assert.Equal("--model-path=a", Line("--model", "a"));
        Assert.Equal("--model-path=a", Line("--model-p", "a"));
    }

    [Fact]
    public void The_last_mention_wins()
    {
        Assert.Equal("--model-path=b | --skip-server-warmup", Line("--model", "a", "--skip-server-warmup", "--model-path", "b"));
    }

    [Fact]
    public void Lists_take_every_value_up_to_the_next_flag()
    {
        Assert.Equal("--cuda-graph-bs=1 | --cuda-graph-bs=2 | --cuda-graph-bs=4 | --skip-server-warmup", Line("--cuda-graph-bs", "1", "2", "4", "--skip-server-warmup"));
    }

    [Fact]
    public void Values_may_begin_with_a_dash()
    {
        Assert.Equal("--chunked-prefill-size=-1", Line("--chunked-prefill-size", "-1"));
        Assert.Equal("--model-path=--odd=name", Line("--model-path=--odd=name"));
    }

    [Fact]
    public void What_is_wrong_is_named()
    {
        Assert.Equal("ambiguous option: --skip could match --skip-server-warmup, --skip-tokenizer-init", Error("--skip"));
        Assert.Equal("ambiguous option: --cuda could match --cuda-graph-bs, --cuda-graph-max-bs", Error("--cuda", "1"));
        Assert.Equal("unrecognized option: --modle-path; did you mean --model-path?", Error("--modle-path", "a"));
        Assert.Equal("unrecognized option: --frobnicate", Error("--frobnicate"));
        Assert.Equal("unrecognized argument: models/demo", Error("models/demo"));
        Assert.Equal("unrecognized argument: x", Error("--skip-server-warmup", "x"));
        Assert.Equal("--skip-server-warmup takes no value, got 'yes'", Error("--skip-server-warmup=yes"));
        Assert.Equal("--model-path needs a value", Error("--model-path"));
        Assert.Equal("--model-path needs a value", Error("--model", "--skip-server-warmup"));
    }

    [Theory]
    [InlineData("--mem-frac", "--mem-fraction-static")]
    [InlineData("--model", "--model-path")]
    [InlineData("--tp", "--tp-size")]
    [InlineData("--tensor-parallel-size", "--tp-size")]
    [InlineData("--context", "--context-length")]
    [InlineData("--served", "--served-model-name")]
    [InlineData("--stream-output", "--incremental-streaming-output")]
    [InlineData("--cuda-graph-max-bs", "--cuda-graph-max-bs")]
    [InlineData("--log-level", "--log-level")]
    public void The_prefixes_documentation_uses_find_their_server_flag(string given, string flag) => Assert.Equal(flag, LaunchServerFlags.All.Resolve(given).Name);

    [Fact]
    public void Every_flag_of_launch_server_has_a_usable_default()
    {
        // A default outside its own flag's rules would surface only when someone spells it out.
        foreach (Flag flag in LaunchServerFlags.All.All.Where(f => f.Default is not null))
            _ = new FlagValues(LaunchServerFlags.All, new Dictionary<string, string[]> { [flag.Name] = [flag.Default!] });
    }
}
