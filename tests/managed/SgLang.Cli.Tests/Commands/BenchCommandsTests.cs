using SgLang.Bench.Serving;
using SgLang.Cli.Commands;
using SgLang.Cli.Parsing;
using SgLang.Core;

namespace SgLang.Cli.Tests.Commands;

/// <summary>Every benchmark command line of the seed page, abbreviations included, comes to the options meant.</summary>
public class BenchCommandsTests
{
    private static FlagValues Parse(FlagSet set, string line)
    {
        Dictionary<string, List<string>> given = [];
        foreach (string argument in set.Canonicalize(line.Split(' ')))
        {
            int equals = argument.IndexOf('=');
            string name = equals < 0 ? argument : argument[..equals];
            if (!given.TryGetValue(name, out List<string>? values)) given.Add(name, values = []);
            if (equals >= 0) values.Add(argument[(equals + 1)..]);
        }
        return new FlagValues(set, given.ToDictionary(g => g.Key, g => g.Value.ToArray()));
    }

    private static Bench.OneBatch.OneBatchOptions OneBatch(string line)
    {
        FlagValues flags = Parse(BenchOneBatchCommand.Flags, line);
        return BenchOneBatchCommand.Options(flags, LaunchServerSettings.From(flags, () => null));
    }

    [Theory]
    [InlineData("--model-path meta-llama/Meta-Llama-3.1-8B-Instruct --batch 32 --input-len 256 --output-len 32", 32, 256, 32)]
    [InlineData("--model meta-llama/Meta-Llama-3-8B --batch-size 64 --input-len 512", 64, 512, 16)]
    [InlineData("--model-path m --batch 32 --input-len 256 --output-len 32 --load-format dummy --json-model-override-args {\"num_hidden_layers\":1,\"num_key_value_heads\":1}", 32, 256, 32)]
    public void One_batch(string line, int batch, int input, int output)
    {
        var options = OneBatch(line);
        Assert.Equal((batch, input, output), (options.BatchSizes.Single(), options.InputLengths.Single(), options.OutputLengths.Single()));
    }

    [Fact]
    public void One_batch_passes_server_flags_on_and_takes_lists()
    {
        var options = OneBatch("--model-path m --batch 1 8 32 --input-len 16 64 --load-format dummy --json-model-override-args {\"num_hidden_layers\":1} --mem-frac=0.8 --disable-cuda-graph --correct");
        Assert.Equal([1, 8, 32], options.BatchSizes);
        Assert.Equal([16, 64], options.InputLengths);
        Assert.Equal((LoadFormat.Dummy, "{\"num_hidden_layers\":1}", 0.8), (options.Engine.LoadFormat, options.Engine.JsonModelOverrideArgs, options.Engine.MemFractionStatic));
        Assert.Equal("[1,8,32]", options.Arguments["batch_size"]!.ToJsonString());
    }

    [Theory]
    [InlineData("--model-path meta-llama/Meta-Llama-3.1-8B-Instruct --num-prompts 10", "sharegpt", null)]
    [InlineData("--model-path meta-llama/Llama-3.1-8B-Instruct --dataset-name random --num-prompts 10 --mem-frac=0.8", "random", 0.8)]
    public void Offline_throughput(string line, string dataset, double? fraction)
    {
        FlagValues flags = Parse(BenchOfflineCommand.Flags, line);
        var options = BenchOfflineCommand.Options(flags, LaunchServerSettings.From(flags, () => null));
        Assert.Equal((dataset, 10, fraction), (options.Dataset.Name, options.Dataset.NumPrompts, options.Engine.MemFractionStatic));
    }

    [Theory]
    [InlineData("--backend sglang --num-prompt 10", 10, null)]
    [InlineData("--backend sglang --num-prompts 100", 100, null)]
    [InlineData("--backend sglang --model meta-llama/Llama-3.1-8B-Instruct --num-prompts 2 --sharegpt-output-len 100 --profile", 2, 100)]
    [InlineData("--backend sglang --model m --num-prompts 10 --sharegpt-output-len 100 --profile --pd-separated --profile-prefill-url http://127.0.0.1:30000", 10, 100)]
    public void Serving(string line, int prompts, int? output)
    {
        ServingOptions options = BenchServingCommand.Options(Parse(BenchServingFlags.All, line));
        Assert.Equal((prompts, output, "sglang", new Uri("http://127.0.0.1:30000")), (options.Dataset.NumPrompts, options.Dataset.ShareGptOutputLength, options.Backend.Name, options.BaseUrl));
        Assert.Equal(line.Contains("--profile"), options.Profile is not null);
    }

    [Fact]
    public void Serving_abbreviations_and_defaults()
    {
        ServingOptions options = BenchServingCommand.Options(Parse(BenchServingFlags.All, "--backend sglang --num-prompts 1000 --dataset-name random --random-input 1024 --random-output 512"));
        Assert.Equal(("random", 1024, 512, 0.0), (options.Dataset.Name, options.Dataset.RandomInputLength, options.Dataset.RandomOutputLength, options.Dataset.RandomRangeRatio));
        Assert.True(double.IsPositiveInfinity(options.RequestRate));
        Assert.True(options is { IgnoreEos: true, IsStreaming: true, WarmupRequests: 1, MaxConcurrency: null, Profile: null });
        Assert.Equal(8000, BenchServingCommand.Options(Parse(BenchServingFlags.All, "--backend vllm --request-rate 2.5 --max-concurrency 3")).BaseUrl.Port);
    }

    [Fact]
    public void Several_workers_are_profiled_by_name()
    {
        ServingOptions options = BenchServingCommand.Options(Parse(BenchServingFlags.All,
            "--backend sglang --model m --num-prompts 10 --profile --pd-separated --profile-decode-url http://127.0.0.1:30001 http://127.0.0.1:30003"));
        Assert.Equal(["Decode-0", "Decode-1"], options.Profile!.Workers.Select(w => w.Key));
        Assert.Equal(30003, options.Profile.Workers[1].Value.Port);
    }

    [Theory]
    [InlineData("--profile-prefill-url http://a --profile-decode-url http://b", "exclude each other")]
    [InlineData("--request-rate 0", "--request-rate: must be a number above 0 or inf, got '0'")]
    [InlineData("--backend lmdeploy", "--backend: must be one of: sglang, sglang-native, sglang-oai, sglang-oai-chat, vllm, vllm-chat")]
    [InlineData("--backend vllm --tokenize-prompt", "--tokenize-prompt: only with --backend sglang")]
    [InlineData("--lora-name a", "--lora-name a is not supported: it is not implemented yet")]
    [InlineData("--header x", "--header: must be NAME=VALUE, got 'x'")]
    [InlineData("--dataset-name mooncake", "--dataset-name: must be one of: sharegpt, random, random-ids, custom, generated-shared-prefix")]
    public void What_cannot_be_done_is_refused_by_name(string line, string message)
    {
        Assert.Contains(message, Assert.Throws<UsageException>(() => BenchServingCommand.Options(Parse(BenchServingFlags.All, line))).Message);
    }
}
