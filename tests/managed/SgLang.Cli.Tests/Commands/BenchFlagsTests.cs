using SgLang.Cli.Commands;
using SgLang.Cli.Parsing;
using SgLang.Tests.Shared;

namespace SgLang.Cli.Tests.Commands;

/// <summary>Every flag of the tools, as SGLang's users know them, with its default: "--name" where it has none, "--name=default" otherwise.</summary>
public class BenchFlagsTests
{
    private const string Datasets = "--seed=42 --sharegpt-output-len --sharegpt-context-len --random-input-len=1024 --random-output-len=1024 --random-range-ratio=0.0 --num-prompts=1000 "
        + "--dataset-name=sharegpt --dataset-path= --gsp-num-groups=64 --gsp-prompts-per-group=16 --gsp-system-prompt-len=2048 --gsp-question-len=128 --gsp-output-len=256 "
        + "--apply-chat-template --prompt-suffix= ";

    private static readonly (string Tool, FlagSet Flags, string Known)[] s_tools =
    [
        ("bench-one-batch", BenchOneBatchCommand.Flags,
            "--run-name=default --batch-size=1 --input-len=1024 --output-len=16 --prompt-filename= --result-filename=result.jsonl --correctness-test --cut-len=4 --log-decode-step=0 "
            + "--profile --profile-record-shapes --profile-activities=CPU,GPU --profile-stage=all --profile-prefix=profile --profile-start-step --profile-steps"),
        ("bench-one-batch-server", BenchOneBatchServerFlags.All,
            "--base-url --batch-size=1 --input-len=1024 --output-len=16 --run-name=default --result-filename=result.jsonl --temperature=0.0 --return-logprob --client-stream-interval=1 --seed=42 "
            + "--dataset-name=random --dataset-path= --fixed-prompt-file= --apply-chat-template --gsp-num-groups=1 --gsp-system-prompt-len=2048 --gsp-question-len=128 --gsp-output-len=256 "
            + "--cache-hit-rate=0.0 --parallel-batch --skip-warmup --show-report --local-tokenizer-path= --backend=sglang --lora-name --lora-request-distribution=uniform --lora-zipf-alpha=1.1 "
            + "--enable-multi-batch --fake-prefill --pydantic-result-filename= --server-args-for-metrics --no-append-to-github-summary --input-len-step-percentage=0.0 "
            + "--profile --profile-activities=CPU,GPU --profile-start-step --profile-steps=5 --profile-by-stage --profile-prefix --profile-output-dir"),
        ("bench-offline-throughput", BenchOfflineCommand.Flags,
            Datasets + "--backend=engine --result-filename= --disable-ignore-eos --extra-request-body --return-logprob --logprob-start-len=-1 --skip-warmup --do-not-exit "
            + "--profile --profile-activities=CPU,GPU --profile-steps"),
        ("bench-serving", BenchServingFlags.All,
            Datasets + "--backend=sglang --base-url --host --port --ready-check-timeout-sec=60 --model --served-model-name --tokenizer --dataset-offset=0 "
            + "--image-count=1 --random-image-count --image-resolution=1080p --image-format=jpeg --image-content=random --request-rate=inf --max-concurrency --use-trace-timestamps --output-file --output-details "
            + "--warmup-requests=1 --flush-cache --flush-cache-timeout=60 --disable-tqdm --disable-stream --print-requests --disable-ignore-eos --temperature=0.0 --top-p=1.0 --extra-request-body "
            + "--tokenize-prompt --return-logprob --top-logprobs-num=0 --token-ids-logprob --logprob-start-len=-1 --return-routed-experts --cache-report --lora-name "
            + "--lora-request-distribution=uniform --lora-zipf-alpha=1.5 --plot-throughput --pd-separated --profile-prefill-url --profile-decode-url "
            + "--gsp-range-ratio=1.0 --gsp-fast-prepare --gsp-send-routing-key --gsp-num-turns=1 --gsp-ordered --gsp-group-distribution=uniform --gsp-zipf-alpha "
            + "--mooncake-workload=conversation --mooncake-slowdown-factor=1.0 --mooncake-num-rounds=1 --agentic-max-turns --speed-bench-category --speed-bench-output-len=512 "
            + "--fake-prefill --tag --header --profile --profile-activities=CPU,GPU --profile-start-step --profile-steps --profile-num-steps --profile-by-stage --profile-stages --profile-output-dir --profile-prefix"),
        ("send-one", SendOneFlags.All,
            "--host=localhost --port=30000 --base-url --batch-size=1 --different-prompts --random-input-len --random-input-vocab-size=32768 --seed --temperature=0.0 --max-new-tokens=512 "
            + "--frequency-penalty=0 --presence-penalty=0 --json --return-logprob --prompt --stop --image --many-images --stream --profile --profile-steps=5 --profile-by-stage --profile-prefix"),
        ("profiler", ProfilerFlags.All,
            "--url --output-dir --num-steps=5 --profile-by-stage --no-profile-by-stage --profile-prefix --cpu --no-cpu --gpu --no-gpu --mem --no-mem --rpd --no-rpd --merge-profiles --no-merge-profiles"),
    ];

    public static TheoryData<string, string> Known => new(s_tools.SelectMany(tool => tool.Known.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(flag => (tool.Tool, flag))));

    private static FlagSet FlagsOf(string tool) => s_tools.Single(known => known.Tool == tool).Flags;

    [Theory]
    [MemberData(nameof(Known))]
    public void Exists_with_its_known_default(string tool, string known)
    {
        string[] parts = known.Split('=', 2);
        Flag flag = Assert.Single(FlagsOf(tool).All, flag => flag.Name == parts[0]);
        // Addresses are this machine's, whoever writes them.
        if (parts.Length > 1) Assert.Equal(parts[1], flag.Default?.Replace(' ', ','));
        else if (flag.Name != "--host") Assert.True(flag.Default is null, $"{flag.Name} has the default {flag.Default}");
        Assert.Equal(flag, FlagsOf(tool).Resolve(parts[0]));
    }

    [Theory]
    [InlineData("bench-one-batch", "--batch", "--batch-size")]
    [InlineData("bench-one-batch", "--correct", "--correctness-test")]
    [InlineData("bench-one-batch", "--profile-filename-prefix", "--profile-prefix")]
    [InlineData("bench-one-batch", "--mem-frac", "--mem-fraction-static")]
    [InlineData("bench-one-batch", "--model", "--model-path")]
    [InlineData("bench-one-batch", "--tp", "--tp-size")]
    [InlineData("bench-one-batch-server", "--batch", "--batch-size")]
    [InlineData("bench-offline-throughput", "--num-prompt", "--num-prompts")]
    [InlineData("bench-offline-throughput", "--mem-frac", "--mem-fraction-static")]
    [InlineData("bench-serving", "--num-prompt", "--num-prompts")]
    [InlineData("bench-serving", "--random-input", "--random-input-len")]
    [InlineData("bench-serving", "--random-output", "--random-output-len")]
    public void Abbreviations_are_the_documented_ones(string tool, string written, string meant) => Assert.Equal(meant, FlagsOf(tool).Resolve(written).Name);

    [Theory]
    [InlineData("bench-one-batch")]
    [InlineData("bench-one-batch-server")]
    [InlineData("bench-offline-throughput")]
    public void Every_flag_of_the_server_is_one_of_a_tool_that_makes_an_engine(string tool) =>
        Assert.Empty(LaunchServerFlags.All.All.Select(flag => flag.Name).Except(FlagsOf(tool).All.Select(flag => flag.Name)));

    public static IEnumerable<TheoryDataRow<string>> Documented => BenchmarkCommands.Lines(RepositoryRoot).Select(line => new TheoryDataRow<string>(line));

    [Theory]
    [MemberData(nameof(Documented))]
    public void Every_documented_command_line_parses(string line)
    {
        string[] arguments = BenchmarkCommands.Arguments(line);
        List<string> canonical = FlagsOf(arguments[0]).Canonicalize(arguments[1..]);
        // As many flags come out as went in, under their full names.
        Assert.Equal(arguments.Count(word => word.StartsWith("--", StringComparison.Ordinal)), canonical.Select(word => word.Split('=')[0]).Distinct().Count());
        Assert.All(canonical, word => Assert.Contains(FlagsOf(arguments[0]).All, flag => flag.Name == word.Split('=')[0]));
    }

    private static string RepositoryRoot { get; } =
        ((System.Reflection.AssemblyMetadataAttribute[])typeof(BenchFlagsTests).Assembly.GetCustomAttributes(typeof(System.Reflection.AssemblyMetadataAttribute), false)).Single(a => a.Key == "RepositoryRoot").Value!;
}
