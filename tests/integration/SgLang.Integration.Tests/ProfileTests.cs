using System.IO.Compression;
using System.Text.Json.Nodes;

namespace SgLang.Integration.Tests;

/// <summary>A window over HTTP on the demo model, and what its file says.</summary>
public sealed class ProfileTests(DemoServer server) : IDisposable
{
    private readonly string _directory = TestDirectory.Create("sglang-profile");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private static JsonNode Read(string path)
    {
        using GZipStream gzip = new(File.OpenRead(path), CompressionMode.Decompress);
        return JsonNode.Parse(gzip)!;
    }

    private async Task<JsonNode> EndAsync()
    {
        JsonNode? status = null;
        await DemoServer.Eventually(() => (string)(status = server.GetOkAsync("/profile_status").GetAwaiter().GetResult())["state"]! == "idle", "the window ends");
        return status!["ranks"]![0]!["last"]!;
    }

    private static List<(string Name, double Start, double End, JsonNode Event)> Track(JsonNode trace, Func<JsonNode, bool> take) =>
    [
        .. trace["traceEvents"]!.AsArray().Where(e => (string)e!["ph"]! == "X" && take(e))
            .Select(e => ((string)e!["name"]!, (double)e["ts"]!, (double)e["ts"]! + (double)e["dur"]!, e)),
    ];

    [Fact]
    public async Task A_window_of_five_steps_holds_exactly_these_with_every_module_inside()
    {
        using HttpResponseMessage started = await server.Client.PostAsync("/start_profile", DemoServer.Json(
            $$"""{"output_dir": "{{_directory}}", "num_steps": "5", "profile_prefix": "demo", "profile_id": "42", "detailed_annotations": true}"""));
        Assert.Equal("Start profiling.\n", await started.Content.ReadAsStringAsync());
        await server.GetOkAsync("/profile_status");
        await server.StreamAsync("/generate", """{"text": "The capital of France is", "stream": true, "sampling_params": {"max_new_tokens": 9, "temperature": 0, "ignore_eos": true}}""");
        JsonNode last = await EndAsync();
        string file = (string)last["files"]![0]!;
        Assert.Equal(Path.Combine(_directory, "demo-42-TP-0.trace.json.gz"), file);
        Assert.Equal((5, 0), ((int)last["steps_recorded"]!, (int)last["records_dropped"]!));

        JsonNode trace = Read(file);
        var steps = Track(trace, e => ((string)e["name"]!).StartsWith("step[", StringComparison.Ordinal));
        Assert.Equal(5, steps.Count);
        Assert.StartsWith("step[EXTEND bs=1 toks=", steps[0].Name);
        Assert.All(steps.Skip(1), step => Assert.StartsWith("step[DECODE bs=1 g_sq=1 g_sqsq=1 g_sqsk=", step.Name));
        long first = (long)last["first_step"]!;
        Assert.Equal(Enumerable.Range(0, 5).Select(i => first + i), steps.Select(step => (long)step.Event["args"]!["step"]!));

        // Each step runs each module; all of a rank's spans lie within a step and nest.
        int rank = (int)steps[0].Event["tid"]!;
        var modules = Track(trace, e => (string?)e["cat"] == "cpu_op");
        Assert.All(modules, module => Assert.Equal(rank, (int)module.Event["tid"]!));
        Assert.All(modules, module => Assert.Single(steps, step => step.Start <= module.Start && module.End <= step.End));
        foreach (string path in (string[])["model.embed_tokens", "model.layers.0.self_attn", "model.layers.0.self_attn.qkv_proj", "model.layers.1.mlp.down_proj", "model.norm", "lm_head"])
            Assert.Equal(5, modules.Count(module => module.Name == path));
        var attention = modules.Where(module => module.Name == "model.layers.0.self_attn").ToList();
        Assert.All(modules.Where(module => module.Name.StartsWith("model.layers.0.self_attn.", StringComparison.Ordinal)),
            part => Assert.Single(attention, whole => whole.Start <= part.Start && part.End <= whole.End));
        Assert.All(modules, module => Assert.NotEmpty(module.Event["args"]!["Input Dims"]![0]!.AsArray()));
        AssertNested(Track(trace, e => e["tid"]!.GetValueKind() == System.Text.Json.JsonValueKind.Number && (int)e["tid"]! == rank));

        string[] names = [.. Track(trace, _ => true).Select(span => span.Name)];
        foreach (string name in (string[])["scheduler.get_next_batch_to_run", "scheduler.run_batch", "scheduler.process_batch_result", "sampler.sample", "tokenizer.encode", "detokenizer.decode", "HTTP POST /generate"])
            Assert.Contains(name, names);
        // Who waits for the window must not fill it.
        Assert.DoesNotContain("HTTP GET /profile_status", names);
        Assert.Contains("no device activity", trace["sglang"]!["notes"]!.ToJsonString());
    }

    [Fact]
    public async Task Stages_get_files_of_their_own()
    {
        await server.PostOkTextAsync("/start_profile", $$"""{"output_dir": "{{_directory}}", "num_steps": 1, "profile_by_stage": true, "profile_id": "s", "activities": ["CPU"]}""");
        await server.PostOkAsync("/generate", """{"text": "Stages", "sampling_params": {"max_new_tokens": 4, "temperature": 0, "ignore_eos": true}}""");
        JsonNode last = await EndAsync();
        Assert.Equal(["s-TP-0-EXTEND.trace.json.gz", "s-TP-0-DECODE.trace.json.gz"], last["files"]!.AsArray().Select(file => Path.GetFileName((string)file!)));
        foreach (JsonNode? file in last["files"]!.AsArray())
        {
            string stage = ((string)file!).Contains("EXTEND", StringComparison.Ordinal) ? "step[EXTEND" : "step[DECODE";
            Assert.StartsWith(stage, Assert.Single(Track(Read((string)file!), e => ((string)e["name"]!).StartsWith("step[", StringComparison.Ordinal))).Name);
        }
    }

    [Fact]
    public async Task Wrong_states_and_values_are_answered_with_the_reason()
    {
        (int status, JsonNode? body) = await server.PostAsync("/stop_profile", "");
        Assert.Equal((409, "Profiling is not in progress. Call /start_profile first."), (status, (string)body!["message"]!));
        Assert.NotNull(body["ranks"]!["TP-0"]);
        foreach (string wrong in (string[])["""{"activities": []}""", """{"activities": ["TPU"]}""", """{"num_steps": "x"}""", """{"profile_id": "../x"}""", "[1]", "{"])
            Assert.Equal(400, (await server.PostAsync("/start_profile", wrong)).Status);

        await server.PostOkTextAsync("/start_profile", $$"""{"output_dir": "{{_directory}}", "start_after_steps": 1000000}""");
        Assert.Equal(409, (await server.PostAsync("/start_profile", "{}")).Status);
        Assert.Equal("armed", (string)(await server.GetOkAsync("/profile_status"))["state"]!);
        using HttpResponseMessage stopped = await server.Client.GetAsync("/end_profile");
        Assert.Equal("Stop profiling. This will take some time.\n", await stopped.Content.ReadAsStringAsync());
        Assert.Empty(Directory.GetFiles(_directory));
    }

    [Fact]
    public async Task A_window_can_be_cancelled_and_files_of_others_downloaded()
    {
        await server.PostOkTextAsync("/start_profile", $$"""{"output_dir": "{{_directory}}", "profile_id": "gone"}""");
        Assert.Equal("Profiling is cancelled.\n", await server.PostOkTextAsync("/cancel_profile", ""));
        Assert.Empty(Directory.GetFiles(_directory));
        Assert.Equal(409, (await server.PostAsync("/cancel_profile", "")).Status);

        await server.PostOkTextAsync("/start_profile", $$"""{"output_dir": "{{_directory}}", "profile_id": "kept", "num_steps": 1}""");
        await server.PostOkAsync("/generate", """{"text": "Kept", "sampling_params": {"max_new_tokens": 2, "temperature": 0, "ignore_eos": true}}""");
        await EndAsync();
        JsonNode[] profiles = [.. (await server.GetOkAsync("/profile_list"))["profiles"]!.AsArray()!];
        Assert.True((bool)profiles.Last(p => (string)p["profile_id"]! == "gone")["cancelled"]!);
        JsonNode download = profiles.Last(p => (string)p["profile_id"]! == "kept")["downloads"]![0]!;
        byte[] bytes = await server.Client.GetByteArrayAsync((string)download["url"]!);
        Assert.Equal((long)download["bytes"]!, bytes.Length);
        Assert.Equal(await File.ReadAllBytesAsync(Path.Combine(_directory, "kept-TP-0.trace.json.gz")), bytes);
        foreach (string other in (string[])["/profile_download/kept/..%2f..%2fetc%2fpasswd", "/profile_download/x/kept-TP-0.trace.json.gz", "/profile_download/gone/gone-TP-0.trace.json.gz"])
        {
            using HttpResponseMessage refused = await server.Client.GetAsync(other);
            Assert.Equal(404, (int)refused.StatusCode);
        }
    }

    [Fact]
    public async Task Memory_shows_how_a_request_fills_the_pool()
    {
        await server.PostOkTextAsync("/flush_cache?timeout=30", "");
        await server.PostOkTextAsync("/start_profile", $$"""{"output_dir": "{{_directory}}", "num_steps": 40, "activities": ["CPU", "MEM"], "profile_id": "m"}""");
        await server.PostOkAsync("/generate", """{"text": "Memory", "sampling_params": {"max_new_tokens": 45, "temperature": 0, "ignore_eos": true}}""");
        JsonNode trace = Read((string)(await EndAsync())["files"]![0]!);
        long[] used = [.. trace["traceEvents"]!.AsArray().Where(e => (string)e!["ph"]! == "C" && (string)e["name"]! == "KV pool").Select(e => (long)e!["args"]!["bytes in use"]!)];
        // The answer needs another page now and then, and none comes back before its end.
        Assert.True(used.Length >= 40 && used[0] > 0 && used[^1] > used[0], string.Join(' ', used));
        Assert.Equal(used.Order(), used);
        Assert.Contains(trace["traceEvents"]!.AsArray(), e => (string)e!["name"]! == "[memory]" && (long)e["args"]!["Total Reserved"]! > (long)e["args"]!["Total Allocated"]!);
        JsonNode[] weights = [.. trace["traceEvents"]!.AsArray().Where(e => (string?)e!["args"]?["Use"] == "weights").Select(e => e!)];
        Assert.Contains(weights, e => (string)e["args"]!["Block"]! == "model.embed_tokens.weight");
        Assert.Equal(weights.Sum(e => (long)e["args"]!["Bytes"]!), (long)trace["traceEvents"]!.AsArray().First(e => (string)e!["name"]! == "host memory")!["args"]!["weights"]!);
        Assert.True(File.Exists(Path.Combine(_directory, "m-TP-0-memory.pickle")));
        Assert.Contains("MEM is the engine", trace["sglang"]!["notes"]!.ToJsonString());
    }

    [Fact]
    public async Task The_flight_recorder_is_dumped_without_a_window()
    {
        await server.PostOkAsync("/generate", """{"text": "Flight", "sampling_params": {"max_new_tokens": 7, "temperature": 0, "ignore_eos": true}}""");
        JsonNode dump = (await server.PostAsync("/dump_flight_record", $$"""{"output_dir": "{{_directory}}", "seconds": 60, "profile_id": "f"}""")).Body!;
        string file = (string)dump["files"]![0]!;
        Assert.Equal(Path.Combine(_directory, "flight-f-TP-0.trace.json.gz"), file);
        JsonNode trace = Read(file);
        var steps = Track(trace, e => ((string)e["name"]!).StartsWith("step[", StringComparison.Ordinal));
        Assert.True(steps.Count >= 7, $"{steps.Count} steps");
        long last = (long)dump["last_step"]!;
        Assert.Equal(last, (long)steps[^1].Event["args"]!["step"]!);
        // Each of the last steps has its phases on the engine's thread and its time on the device.
        var device = Track(trace, e => (string)e["name"]! == "step on device");
        Assert.Equal(Enumerable.Range(0, 7).Select(i => last - 6 + i), device.TakeLast(7).Select(span => (long)span.Event["args"]!["step"]!));
        Assert.All(device.TakeLast(7), span => Assert.InRange((long)span.Event["args"]!["device_ns"]!, 1, 60_000_000_000));
        foreach (string name in (string[])["scheduler.get_next_batch_to_run", "scheduler.run_batch", "scheduler.wait_for_ranks", "scheduler.process_batch_result", "prepare_inputs", "sampler.sample", "copy_result_to_cpu"])
            Assert.True(Track(trace, e => (string)e["name"]! == name).Count >= 7, name);
        foreach (var track in trace["traceEvents"]!.AsArray().Where(e => (string)e!["ph"]! == "X" && e["tid"]!.GetValueKind() == System.Text.Json.JsonValueKind.Number).GroupBy(e => (int)e!["tid"]!))
            AssertNested(Track(trace, e => e["tid"]!.GetValueKind() == System.Text.Json.JsonValueKind.Number && (int)e["tid"]! == track.Key));
        Assert.Contains("asked for over HTTP", trace["sglang"]!["notes"]![0]!.ToString());
        Assert.Contains("f", (await server.GetOkAsync("/profile_list"))["profiles"]!.AsArray().Select(p => (string)p!["profile_id"]!));
        foreach (string wrong in (string[])["""{"seconds": 0}""", """{"seconds": "x"}""", """{"profile_id": "../x"}""", "[1]"])
            Assert.Equal(400, (await server.PostAsync("/dump_flight_record", wrong)).Status);
    }

    [Fact]
    public async Task A_condition_takes_the_steps_of_one_request()
    {
        await server.PostOkTextAsync("/start_profile", $$"""{"output_dir": "{{_directory}}", "num_steps": 3, "condition": {"rid": "wanted"} }""");
        await server.PostOkAsync("/generate", """{"text": "Other", "rid": "other", "sampling_params": {"max_new_tokens": 4, "ignore_eos": true}}""");
        Assert.Equal("armed", (string)(await server.GetOkAsync("/profile_status"))["state"]!);
        await server.PostOkAsync("/generate", """{"text": "Wanted", "rid": "wanted", "sampling_params": {"max_new_tokens": 9, "ignore_eos": true}}""");
        JsonNode last = await EndAsync();
        Assert.Equal(3, (int)last["steps_recorded"]!);
    }

    [Fact]
    public async Task Device_activity_alone_is_refused_without_a_device()
    {
        foreach (string activities in (string[])["""["GPU"]""", """["CUDA_PROFILER"]"""])
        {
            (int status, JsonNode? body) = await server.PostAsync("/start_profile", $$"""{"activities": {{activities}}}""");
            Assert.Equal(400, status);
            Assert.Contains("this server runs on the CPU", (string)body!["message"]!);
        }
    }

    [Fact]
    public async Task Modules_and_stages_are_nvtx_ranges_for_a_tool_that_listens()
    {
        string tool = Path.Combine(AppContext.BaseDirectory, "libfake_nvtx_tool.so");
        Assert.SkipUnless(File.Exists(tool), $"{tool} is missing: build the native tests (SGL_BUILD_TESTS=ON)");
        string log = Path.Combine(_directory, "ranges.txt");
        var environment = new Dictionary<string, string>
        {
            ["NVTX_INJECTION64_PATH"] = tool,
            ["FAKE_NVTX_LOG"] = log,
            ["SGLANG_ENABLE_NVTX_SCHEDULER"] = "true",
        };
        await using (ServerProcess process = ServerProcess.Start(environment, "launch-server", "--model-path", DemoServer.ModelPath, "--device", "cpu", "--num-threads", "1", "--max-total-tokens", "8192",
                   "--port", "0", "--skip-server-warmup", "--enable-layerwise-nvtx-marker"))
        {
            using HttpClient client = new() { BaseAddress = await process.ReadyAsync() };
            using HttpResponseMessage answer = await client.PostAsync("/generate", DemoServer.Json("""{"input_ids": [5, 6, 7], "sampling_params": {"max_new_tokens": 2, "temperature": 0, "ignore_eos": true}}"""));
            Assert.True(answer.IsSuccessStatusCode);
            process.Signal("TERM");
            Assert.Equal(0, await process.ExitAsync());
        }
        // depth, thread, push with colour, version, size and kind of message, and the text; or pop.
        string[][] events = [.. (await File.ReadAllLinesAsync(log)).Select(line => line.Split(' ', 8))];
        string[][] pushes = [.. events.Where(e => e[2] == "push")];
        Assert.Equal(pushes.Length, events.Count(e => e[2] == "pop"));
        string prefix = $"{{'Module': '{DemoServer.ModelPath}.model";
        string[] modules = [.. pushes.Where(e => e[7].StartsWith("{'Module'", StringComparison.Ordinal)).Select(e => e[7])];
        Assert.All(modules, text => Assert.StartsWith($"{{'Module': '{DemoServer.ModelPath}.", text));
        string Qkv(int tokens) => Assert.Single(modules, text => text.StartsWith($"{prefix}.layers.0.self_attn.qkv_proj'", StringComparison.Ordinal) && text.Contains($"'Inputs': [[{tokens}, ", StringComparison.Ordinal));
        foreach (int tokens in (int[])[3, 1])
            Assert.Matches(@"^\{'Module': '[^']+', 'TrainableParams': \{'weight': \[\d+, \d+\]\}, 'Inputs': \[\[\d+, \d+\]\], 'StaticParams': \{'in_features': \d+, 'out_features': \d+, 'dtype': '\w+', 'quantization': None\}\}$", Qkv(tokens));
        // model > layer > attention > projection.
        int At(string path) => int.Parse(pushes.First(e => e[7].StartsWith($"{prefix}{path}'", StringComparison.Ordinal))[0], System.Globalization.CultureInfo.InvariantCulture);
        Assert.Equal([0, 1, 2, 3], [At(""), At(".layers.0"), At(".layers.0.self_attn"), At(".layers.0.self_attn.qkv_proj")]);
        foreach ((string name, string colour) in ((string, string)[])[("recv_requests", "ff0000ff"), ("process_input_requests", "ff800080"), ("get_next_batch_to_run", "ff00ff00"), ("run_batch", "ffff0000"), ("process_batch_result", "ff00ffff")])
            Assert.Contains(pushes, e => e[7] == $"scheduler.{name}" && e[3] == colour);
    }

    /// <summary>Spans of one track are disjoint or inside one another; times have three decimals.</summary>
    private static void AssertNested(List<(string Name, double Start, double End, JsonNode Event)> spans)
    {
        const double Rounding = 0.002;
        Stack<(string Name, double End)> open = new();
        foreach ((string name, double start, double end, _) in spans.OrderBy(s => s.Start).ThenByDescending(s => s.End))
        {
            while (open.Count > 0 && open.Peek().End <= start + Rounding) open.Pop();
            if (open.Count > 0) Assert.True(end <= open.Peek().End + Rounding, $"{name} ends after {open.Peek().Name}, which it begins in");
            open.Push((name, end));
        }
    }
}
