using SgLang.Bench.OneBatchServer;
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
    public void Profiling_in_the_tool_itself()
    {
        Assert.Null(OneBatch("--model m --batch 32").Profile);
        var profile = OneBatch("--model-path m --batch 32 --input-len 1024 --output-len 10 --profile --profile-filename-prefix x --profile-stage decode --profile-activities CPU --profile-start-step 3 --profile-steps 2").Profile!;
        Assert.Equal(("x", "decode", (int?)3, 2), (profile.Prefix, profile.Stage, profile.StartStep, profile.Steps));
        Assert.Equal(["CPU"], profile.Activities);
        Assert.Equal("/d", OneBatch("--model m --profile --profile-output-dir /d").Profile!.Directory);
        string? before = Environment.GetEnvironmentVariable("SGLANG_TORCH_PROFILER_DIR");
        try
        {
            Environment.SetEnvironmentVariable("SGLANG_TORCH_PROFILER_DIR", "/root/sglang/profile_log");
            Assert.Equal("/root/sglang/profile_log", OneBatch("--model m --profile").Profile!.Directory);
            Environment.SetEnvironmentVariable("SGLANG_TORCH_PROFILER_DIR", "");
            Assert.Equal("/tmp", OneBatch("--model m --profile").Profile!.Directory);
        }
        finally
        {
            Environment.SetEnvironmentVariable("SGLANG_TORCH_PROFILER_DIR", before);
        }
        FlagValues flags = Parse(BenchOfflineCommand.Flags, "--model m --dataset-name random --num-prompts 10 --profile --mem-frac=0.8 --profile-steps 4");
        var offline = BenchOfflineCommand.Options(flags, LaunchServerSettings.From(flags, () => null)).Profile!;
        Assert.Equal((4, "CPU GPU"), (offline.Steps, string.Join(' ', offline.Activities)));
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
        Assert.True(double.IsPositiveInfinity(options.Arrivals.Rate));
        Assert.True(options is { IgnoreEos: true, IsStreaming: true, WarmupRequests: 1, MaxConcurrency: null, Profile: null });
        Assert.Equal(8000, BenchServingCommand.Options(Parse(BenchServingFlags.All, "--backend vllm --request-rate 2.5 --max-concurrency 3")).BaseUrl.Port);
    }

    [Fact]
    public void Several_workers_are_profiled_by_name()
    {
        ServingOptions options = BenchServingCommand.Options(Parse(BenchServingFlags.All,
            "--backend sglang --model m --num-prompts 10 --profile --pd-separated --profile-decode-url http://127.0.0.1:30001 http://127.0.0.1:30003"));
        Assert.Equal(["Decode-0", "Decode-1"], options.ProfiledWorkers.Select(w => w.Key));
        Assert.Equal(30003, options.ProfiledWorkers[1].Value.Port);
    }

    [Theory]
    [InlineData("--base-url http://127.0.0.1:30000 --model-path meta-llama/Meta-Llama-3.1-8B-Instruct --batch-size 32 --input-len 256 --output-len 32")]
    [InlineData("--base-url http://127.0.0.1:30000 --model m --batch 32 --input-len 256 --output-len 32 --mem-frac=0.8 --load-format dummy --tp 1")]
    public void One_batch_server(string line)
    {
        OneBatchServerOptions options = BenchOneBatchServerCommand.Options(Parse(BenchOneBatchServerFlags.All, line));
        Assert.Equal((32, 256, 32, new Uri("http://127.0.0.1:30000")), (options.BatchSizes.Single(), options.InputLengths.Single(), options.OutputLengths.Single(), options.BaseUrl));
        Assert.Equal(("random", 5, null), (options.Dataset.Name, 5, options.Profile));
    }

    [Fact]
    public void A_server_that_is_started_gets_the_flags_of_launch_server_only()
    {
        FlagValues flags = Parse(BenchOneBatchServerFlags.All, "--model m --batch 1 2 --seed 7 --port 31000 --mem-frac=0.8 --disable-radix-cache --temperature 0.5 --profile");
        Assert.Equal(["--model-path=m", "--mem-fraction-static=0.8", "--disable-radix-cache", "--port=31000"], flags.ToArguments(LaunchServerFlags.All));
        Assert.NotNull(BenchOneBatchServerCommand.Options(flags).Profile);
    }

    [Theory]
    [InlineData("--apply-chat-template", "--apply-chat-template needs --fixed-prompt-file")]
    [InlineData("--lora-name a --backend vllm", "--lora-name: only with --backend sglang")]
    [InlineData("--base-url ftp://x", "--base-url: must be an http or https URL, got 'ftp://x'")]
    public void One_batch_server_refuses_by_name(string line, string message)
    {
        Assert.Contains(message, Assert.Throws<UsageException>(() => BenchOneBatchServerCommand.Options(Parse(BenchOneBatchServerFlags.All, line))).Message);
    }

    [Fact]
    public void Serving_loads()
    {
        ServingOptions options = BenchServingCommand.Options(Parse(BenchServingFlags.All,
            "--request-rate 1 2.5 inf --burstiness 0.5 --repeat 3 --goodput ttft:200 tpot:50 e2e:5000 --plot d --html f --lora-name a b --lora-request-distribution skewed --disable-keep-alive"));
        Assert.Equal([1, 2.5, double.PositiveInfinity], options.Rates);
        Assert.Equal((1.0, 0.5, 3), (options.Arrivals.Rate, options.Arrivals.Burstiness, options.Repeats));
        Assert.Equal(new ServiceObjectives(200, 50, 5000), options.Objectives);
        Assert.Equal(("d", "f", "skewed", true), (options.PlotDirectory, options.HtmlFile, options.LoraDistribution, options.FreshConnections));
        options = BenchServingCommand.Options(Parse(BenchServingFlags.All, $"--ramp-up-strategy linear --ramp-up-start-rps 1 --ramp-up-end-rps 9 --dataset-name mooncake --dataset-path {Environment.ProcessPath}"));
        Assert.Equal(("linear", 1.0, 9.0, true), (options.Arrivals.RampStrategy, options.Arrivals.RampStart, options.Arrivals.RampEnd, options.UseTraceTimestamps));
    }

    [Theory]
    [InlineData("lmdeploy", 23333)]
    [InlineData("trt", 8000)]
    [InlineData("truss", 8080)]
    [InlineData("vllm-chat", 8000)]
    public void Serving_ports_are_the_backend_s(string backend, int port)
    {
        Assert.Equal(port, BenchServingCommand.Options(Parse(BenchServingFlags.All, $"--backend {backend} --model m --tokenizer t")).BaseUrl.Port);
    }

    [Theory]
    [InlineData("--profile-prefill-url http://a --profile-decode-url http://b", "exclude each other")]
    [InlineData("--request-rate 0", "--request-rate: must be a number above 0 or inf, got '0'")]
    [InlineData("--goodput ttft=5", "--goodput: must be ttft:MS, tpot:MS or e2e:MS, got 'ttft=5'")]
    [InlineData("--find-max-rate", "--find-max-rate needs --goodput")]
    [InlineData("--ramp-up-strategy linear", "needs --ramp-up-start-rps and --ramp-up-end-rps")]
    [InlineData("--backend gserver", "--backend gserver: how it is spoken to is not published")]
    [InlineData("--backend trt", "--backend trt needs --model")]
    [InlineData("--backend truss --model m", "--backend truss needs --tokenizer")]
    [InlineData("--gsp-zipf-alpha 2", "--gsp-zipf-alpha is only for --gsp-group-distribution zipf")]
    [InlineData("--gsp-group-distribution zipf", "zipf needs --gsp-zipf-alpha")]
    [InlineData("--backend tgi", "--backend: must be one of: sglang, sglang-native, sglang-oai, sglang-oai-chat, sglang-embedding, vllm,")]
    [InlineData("--backend vllm --tokenize-prompt", "--tokenize-prompt: only with --backend sglang")]
    [InlineData("--header x", "--header: must be NAME=VALUE, got 'x'")]
    [InlineData("--dataset-name image --backend vllm", "--dataset-name image: --backend vllm takes no images; one of: sglang, sglang-native, sglang-oai-chat, vllm-chat, lmdeploy-chat")]
    [InlineData("--dataset-name image --tokenize-prompt", "--tokenize-prompt: --dataset-name image is sent as text")]
    [InlineData("--dataset-name image --image-resolution 8k", "--image-resolution: must be 4k, 1080p, 720p, 360p, HEIGHTxWIDTH")]
    [InlineData("--image-count 0", "--image-count: must be in [1, 1024], got '0'")]
    [InlineData("--dataset-name custom", "--dataset-name custom needs --dataset-path")]
    [InlineData("--dataset-name mooncake", "--dataset-name mooncake needs --dataset-path")]
    [InlineData("--dataset-path no-such-file.json", "--dataset-path: there is no file 'no-such-file.json'")]
    [InlineData("--dataset-name nothing", "--dataset-name: must be one of: sharegpt, random, random-ids,")]
    [InlineData("--agentic-max-turns 0", "--agentic-max-turns")]
    public void What_cannot_be_done_is_refused_by_name(string line, string message)
    {
        Assert.Contains(message, Assert.Throws<UsageException>(() => BenchServingCommand.Options(Parse(BenchServingFlags.All, line))).Message);
    }
}
