using SgLang.Cli.Parsing;
using SgLang.Server;
using static SgLang.Cli.Parsing.FlagKind;

namespace SgLang.Cli.Commands;

/// <summary>
/// Every flag of launch-server. A flag of the original that is not honoured yet is listed all the same: accepted where it changes nothing,
/// refused with its reason where it would.
/// </summary>
internal static class LaunchServerFlags
{
    private const string OwnKernels = "the engine has one set of kernels of its own";
    private const string NotYet = "it is not implemented yet";

    public static FlagSet All { get; } = new([.. Model(), .. Types(), .. Memory(), .. Topology(), .. Graphs(), .. Http(), .. Logging(), .. Features(), .. Disaggregation()]);

    private static Flag Switch(string name, string help) => new(name, FlagKind.Switch, help);

    private static IEnumerable<Flag> Model() =>
    [
        new("--config", Text, "YAML file of flags; the command line wins over it."),
        new("--model-path", Text, "Model directory in Hugging Face form. Without it the demo model that comes with the program is served.") { Aliases = ["--model"] },
        new("--tokenizer-path", Text, "Directory of the tokenizer, where it is not the model's."),
        new("--tokenizer-mode", Text, "") { Default = "auto", Choices = ["auto", "slow"], NoEffect = "there is one tokenizer, the fast one" },
        Switch("--skip-tokenizer-init", "Take and return token ids only."),
        new("--tokenizer-worker-num", Integer, "") { Default = "1", Min = 1, NoEffect = "tokenization runs on the thread pool" },
        new("--detokenizer-worker-num", Integer, "") { Default = "1", Min = 1, NoEffect = "detokenization runs on the thread pool" },
        new("--load-format", Text, "How weights are stored; dummy fills them at random and needs config.json only.") { Default = "auto", Choices = ["auto", "safetensors", "dummy"] },
        new("--model-loader-extra-config", JsonObject, "") { Default = "{}", OnlyDefault = "the loader has no further settings" },
        Switch("--trust-remote-code", "") with { NoEffect = "no code of a model is ever run" },
        new("--context-length", TokenCount, "Longest prompt and answer together; default: the model's.") { Min = 1, Max = int.MaxValue },
        Switch("--is-embedding", "Serve embeddings (/v1/embeddings, /encode) in place of continuations."),
        new("--json-model-override-args", JsonObject, "JSON object merged over the model's config.json.") { Default = "{}" },
        new("--revision", Text, "") { NoEffect = "models are local directories" },
        new("--download-dir", Text, "") { NoEffect = "models are local directories" },
        new("--served-model-name", Text, "Name in /v1/models and in answers; default: the model path."),
        new("--weight-version", Text, "Echoed in answers.") { Default = "default" },
        new("--chat-template", Text, "What replaces the model's chat template: chatml, gemma-it, llama-2, mistral, vicuna_v1.1, a Jinja file, or a .json file in SGLang's form."),
        new("--completion-template", Text, "") { OnlyDefault = NotYet },
        new("--sampling-defaults", Text, "Where chat requests take sampling defaults: generation_config.json, or fixed values.") { Default = "model", Choices = ["model", "openai"] },
        new("--preferred-sampling-params", JsonObject, "") { OnlyDefault = NotYet },
    ];

    private static IEnumerable<Flag> Types() =>
    [
        new("--dtype", Text, "Number format of weights and arithmetic; auto takes bfloat16 for 16-bit checkpoints and float32 for 32-bit ones.")
            { Default = "auto", Choices = ["auto", "bfloat16", "float", "float32", "half", "float16"] },
        new("--quantization", Text, "") { OnlyDefault = NotYet },
        new("--kv-cache-dtype", Text, "Number format of the KV cache; auto is the model's.") { Default = "auto", Choices = ["auto", "bf16", "bfloat16", "fp8_e4m3", "fp8_e5m2"] },
        new("--quantization-param-path", Text, "") { OnlyDefault = NotYet },
        Switch("--enable-fp32-lm-head", "") with { OnlyDefault = "use --dtype float32 for the whole model" },
    ];

    private static IEnumerable<Flag> Memory() =>
    [
        new("--mem-fraction-static", Number, "Share of memory for weights and KV cache; default: derived from the device.") { Min = 0.0001, Max = 0.9999 },
        new("--max-running-requests", Integer, "Most requests that run at once; default: derived from memory.") { Min = 1, Max = int.MaxValue },
        new("--max-queued-requests", Integer, "Most requests that wait; more are answered with 503.") { Min = 0, Max = int.MaxValue },
        new("--max-total-tokens", TokenCount, "Tokens the KV cache holds; default: derived from memory.") { Min = 1, Max = int.MaxValue },
        new("--chunked-prefill-size", Integer, "Prompt tokens one step may compute; -1 computes each prompt whole. A multiple of --page-size.") { Min = -1, Max = int.MaxValue },
        new("--max-prefill-tokens", TokenCount, "Prompt tokens one step may compute when prompts are not cut.") { Default = "16384", Min = 1, Max = int.MaxValue },
        new("--prefill-max-requests", Integer, "Most requests one step may admit.") { Min = 1, Max = int.MaxValue },
        new("--schedule-policy", Text,
            "Who is admitted next: fcfs by arrival, lpm by longest cached prefix, lof by longest output, dfs-weight by the part of the cache most wait for, routing-key by the `routing_key` that most running requests have; priority is fcfs with --enable-priority-scheduling.")
        {
            Default = "fcfs", Choices = ["fcfs", "lpm", "lof", "dfs-weight", "random", "routing-key", "priority"],
        },
        new("--schedule-conservativeness", Number, "Above 1 admission reserves more for answers to come, below 1 less.") { Default = "1.0", Min = 0 },
        Switch("--enable-priority-scheduling", "Admit requests of higher `priority` first; needs fcfs or lof."),
        Switch("--schedule-low-priority-values-first", "Lower numbers are the higher priority."),
        new("--priority-scheduling-preemption-threshold", Integer, "A waiting request takes a running one's place when its priority is better by more than this.")
        {
            Default = "10", Min = 0, Max = int.MaxValue,
        },
        Switch("--disable-priority-preemption", "Never stop a running request for one of higher priority."),
        new("--default-priority-value", Integer, "Priority of requests that name none; default: behind all others.") { Min = int.MinValue, Max = int.MaxValue },
        Switch("--abort-on-priority-when-disabled", "Refuse requests with a priority while priority scheduling is off."),
        new("--retraction-policy", Text, "Who goes back to waiting when the KV pool is full: those with the shortest output, or of the lowest priority.") { Default = "length", Choices = ["length", "priority"] },
        new("--page-size", Integer, "Tokens of a KV page.") { Default = "16", Min = 1, Max = 65536 },
        new("--radix-eviction-policy", Text, "Which cached prefix goes first: lru the least recently used, lfu the least often used, slru those used once, priority those of the lowest `priority`; fifo, filo and mru by age.")
        {
            Default = "lru", Choices = ["lru", "lfu", "slru", "priority", "fifo", "filo", "mru"],
        },
        Switch("--disable-radix-cache", "Never reuse the KV of an earlier prompt."),
        new("--swa-full-tokens-ratio", Number, "") { Default = "0.8", Min = 0.0001, Max = 1, NoEffect = "sliding-window layers share the one pool" },
        Switch("--disable-hybrid-swa-memory", "") with { NoEffect = "sliding-window layers share the one pool" },
        Switch("--disable-overlap-schedule", "Plan a step only when the one before has finished."),
        Switch("--enable-mixed-chunk", "Compute pieces of prompts and decode in the same step."),
        new("--num-continuous-decode-steps", Integer, "") { Default = "1", Min = 1, NoEffect = "steps are planned one ahead" },
        new("--scheduler-recv-interval", Integer, "") { Default = "1", Min = 1, NoEffect = "new requests are seen at every step" },
        new("--stream-interval", Integer, "Tokens of a streamed chunk.") { Default = "1", Min = 1, Max = int.MaxValue },
        Switch("--incremental-streaming-output", "/generate streams the text since the last event instead of the whole.") with { Aliases = ["--stream-output"] },
        Switch("--allow-auto-truncate", "") with { OnlyDefault = NotYet },
        Switch("--enable-hierarchical-cache", "") with { OnlyDefault = NotYet },
    ];

    private static IEnumerable<Flag> Topology() =>
    [
        new("--device", Text, "Where the model runs; auto takes a GPU when there is one.") { Default = "auto", Choices = ["auto", "cuda", "cpu"] },
        new("--num-threads", Integer, "CPU worker threads of all ranks together; 0 is one for each physical core.") { Default = "0", Min = 0, Max = 1024 },
        new("--numa-node", IntegerList, "Memory node of each rank on this node, in the order replica, stage, tensor rank, whose processors its threads keep to; default: ranks of a CPU are dealt out over the nodes.") { Min = 0, Max = 1023 },
        new("--tp-size", Integer, "Tensor-parallel ranks: each has a part of every layer.") { Aliases = ["--tensor-parallel-size", "--tp"], Default = "1", Min = 1, Max = 64 },
        new("--dp-size", Integer, "Data-parallel replicas, each with scheduler and cache of its own.") { Aliases = ["--data-parallel-size", "--dp"], Default = "1", Min = 1, Max = 64 },
        new("--pp-size", Integer, "Pipeline stages: each has some of the layers.") { Aliases = ["--pipeline-parallel-size"], Default = "1", Min = 1, Max = 64 },
        new("--ep-size", Integer, "Parts that the experts are spread over; divides --tp-size.") { Aliases = ["--expert-parallel-size", "--ep"], Default = "1", Min = 1, Max = 64 },
        new("--load-balance-method", Text, "Which replica takes a request; auto is cache_aware: the longest cached prefix while loads are alike, else the least loaded.")
        {
            Default = "auto", Choices = ["auto", "cache_aware", "round_robin", "total_requests", "total_tokens", "shortest_queue", "minimum_tokens"],
        },
        Switch("--enable-dp-attention", "The replicas of --dp-size share the ranks of --tp-size: each attends with its part of them, and all compute experts and MLPs for everybody."),
        Switch("--enable-dp-lm-head", "Cut the vocabulary over a replica's ranks alone; always so with --enable-dp-attention, which it needs."),
        new("--moe-a2a-backend", Text, "Whether ranks send each other tokens for their experts where --ep-size is above 1: auto, where that moves enough fewer bytes; native, in every eager step.") { Default = "auto", Choices = ["auto", "none", "native"] },
        new("--nnodes", Integer, "Nodes that share the stages of all replicas: each is started with the same options and its own --node-rank.") { Default = "1", Min = 1, Max = 64 },
        new("--node-rank", Integer, "Which node this is; node 0 serves HTTP.") { Default = "0", Min = 0, Max = 63 },
        new("--dist-init-addr", Text, "HOST:PORT where node 0 listens for the others, in a network that only they can reach.") { Aliases = ["--nccl-init-addr"] },
        new("--nccl-port", Integer, "") { NoEffect = "ranks of a node are threads of one process" },
        new("--dist-timeout", Integer, "Seconds that a rank waits for another before the step fails, and a starting node for the others.") { Default = "300", Min = 1, Max = 86400 },
        new("--base-gpu-id", Integer, "The first GPU used.") { Default = "0", Min = 0, Max = 1023 },
        new("--gpu-id-step", Integer, "From one rank's GPU to the next one's.") { Default = "1", Min = 1, Max = 1023 },
        new("--device-map", IntegerList, "GPU of each rank, in the order replica, stage, tensor rank; default: counted from --base-gpu-id.") { Min = 0, Max = 1023 },
        Switch("--allow-shared-device", "Several tensor ranks, or replicas, on one GPU: for tests, it makes nothing faster."),
        Switch("--disable-custom-all-reduce", "Ranks on GPUs use NCCL alone, and decode without graphs."),
        new("--pp-max-micro-batch-size", Integer, "Most requests of one step; default: an even share of those that run for each pipeline stage.") { Min = 1, Max = 65536 },
        new("--pp-async-batch-depth", Integer, "Micro-batches in the pipeline beyond one for each stage.") { Default = "0", Min = 0, Max = 64 },
        Switch("--enable-dynamic-chunking", "") with { NoEffect = "all chunks of a prompt have --chunked-prefill-size" },
        Switch("--enable-p2p-check", "") with { NoEffect = "NCCL finds its own paths" },
    ];

    private static IEnumerable<Flag> Graphs() =>
    [
        Switch("--disable-cuda-graph", "Run every step eagerly on a GPU too."),
        new("--cuda-graph-max-bs", Integer, "Largest decode batch captured as a graph; default: by memory of the GPU.") { Aliases = ["--cuda-graph-max-bs-decode"], Min = 1, Max = 65536 },
        new("--cuda-graph-bs", IntegerList, "Decode batches captured as graphs; default: a list up to --cuda-graph-max-bs.") { Aliases = ["--cuda-graph-bs-decode"], Min = 1, Max = 65536 },
        Switch("--disable-cuda-graph-padding", "Replay a graph only for exactly its batch."),
        Switch("--disable-decode-cuda-graph", "The same as --disable-cuda-graph."),
        Switch("--disable-prefill-cuda-graph", "") with { NoEffect = "only decode steps are captured" },
        new("--cuda-graph-config", JsonObject, "") { NoEffect = "use --disable-cuda-graph, --cuda-graph-max-bs and --cuda-graph-bs" },
        Switch("--enable-profile-cuda-graph", "Profile the capture of CUDA graphs at the start: two tables of operators in the log, and a snapshot of memory."),
        Switch("--enable-layerwise-nvtx-marker", "NVTX range around every module, for Nsight Systems; use with --disable-cuda-graph."),
        new("--profile-output-root", Text, "Traces may be written only into this directory and below it; everywhere when left out."),
        new("--flight-recorder-seconds", Number, "How far a dump of the flight recorder, which is always on, goes back; 0 turns it off.") { Default = "30", Min = 0, Max = 3600 },
        new("--flight-recorder-dir", Text, "Where the flight recorder's dumps go; default: SGLANG_TORCH_PROFILER_DIR, or /tmp."),
        new("--flight-recorder-slow-step", Number, "Dump it when a decode step takes this many times the median of the last 256; never when left out.") { Min = 1.5, Max = 1e6 },
        new("--flight-recorder-ttft", Number, "Dump it when a first token comes later than so many seconds after its request; never when left out.") { Min = 0.001, Max = 86400 },
        new("--nvtx-root", Text, "What the modules' paths begin with in NVTX ranges: the model's path when left out; empty for none."),
        Switch("--enable-torch-compile", "") with { NoEffect = OwnKernels },
        new("--torch-compile-max-bs", Integer, "") { Default = "32", NoEffect = OwnKernels },
        new("--attention-backend", Text, "") { NoEffect = OwnKernels },
        new("--prefill-attention-backend", Text, "") { NoEffect = OwnKernels },
        new("--decode-attention-backend", Text, "") { NoEffect = OwnKernels },
        new("--sampling-backend", Text, "") { NoEffect = OwnKernels },
    ];

    private static IEnumerable<Flag> Http() =>
    [
        new("--host", Text, "Address to listen on.") { Default = "127.0.0.1" },
        new("--port", Integer, "Port to listen on; 0 takes a free one.") { Default = "30000", Min = 0, Max = 65535 },
        new("--api-key", Text, "Key that requests must carry: Authorization: Bearer KEY."),
        new("--admin-api-key", Text, "Key of the administrative endpoints."),
        new("--fastapi-root-path", Text, "") { Default = "", OnlyDefault = "paths have no prefix" },
        new("--ssl-keyfile", Text, "PEM file of the private key, for HTTPS."),
        new("--ssl-certfile", Text, "PEM file of the certificate, for HTTPS."),
        new("--ssl-ca-certs", Text, "") { OnlyDefault = "certificates of clients are not asked for" },
        new("--ssl-keyfile-password", Text, "Password of --ssl-keyfile."),
        new("--cors-origins", TextList, "Origins whose pages may call the server from a browser; * for all."),
        new("--max-request-body-size", Integer, "Largest request body, in bytes.") { Default = "134217728", Min = 1024, Max = int.MaxValue },
        Switch("--skip-server-warmup", "Report ready without a first request."),
        new("--warmups", Text, "") { OnlyDefault = NotYet },
        Switch("--stream-response-default-include-usage", "Streams end with usage even where a request does not ask for it."),
        Switch("--enable-cache-report", "Fill usage.prompt_tokens_details.cached_tokens."),
    ];

    private static IEnumerable<Flag> Logging() =>
    [
        new("--log-level", Text, "Least severe lines shown.") { Default = "info", Choices = ServerLog.Levels },
        new("--log-level-http", Text, "The same of the access log; default: --log-level.") { Choices = ServerLog.Levels },
        new("--log-file", Text, "Also write the log to this file."),
        Switch("--log-requests", "Log requests as they come and end."),
        new("--log-requests-level", Integer, "0 metadata, 1 and sampling parameters, 2 and texts cut to 2048 characters, 3 everything.") { Default = "2", Min = 0, Max = 3 },
        new("--log-requests-format", Text, "Form of these lines.") { Default = "text", Choices = ["text", "json"] },
        new("--log-requests-target", TextList, "Where they go: stdout, and folders, which get a file an hour.") { Default = "stdout" },
        new("--decode-log-interval", Integer, "Decode steps between log lines.") { Default = "40", Min = 1, Max = int.MaxValue },
        Switch("--enable-metrics", "Prometheus metrics at /metrics."),
        Switch("--enable-expert-distribution-metrics", "Count the tokens of each expert, in /server_info and /metrics; steps then run eagerly and wait for every router."),
        Switch("--enable-metrics-for-all-schedulers", "") with { NoEffect = "there is one scheduler" },
        new("--bucket-time-to-first-token", TextList, "") { OnlyDefault = NotYet },
        new("--bucket-inter-token-latency", TextList, "") { OnlyDefault = NotYet },
        new("--bucket-e2e-request-latency", TextList, "") { OnlyDefault = NotYet },
        new("--prompt-tokens-buckets", TextList, "") { Default = "default", OnlyDefault = NotYet },
        new("--generation-tokens-buckets", TextList, "") { Default = "default", OnlyDefault = NotYet },
        new("--extra-metric-labels", JsonObject, "") { OnlyDefault = NotYet },
        new("--tokenizer-metrics-custom-labels-header", Text, "") { Default = "x-custom-labels", NoEffect = "no labels of requests are kept" },
        new("--tokenizer-metrics-allowed-custom-labels", TextList, "") { OnlyDefault = NotYet },
        Switch("--enable-request-time-stats-logging", "One line of times for each finished request."),
        Switch("--export-metrics-to-file", "") with { OnlyDefault = NotYet },
        new("--export-metrics-to-file-dir", Text, "") { OnlyDefault = NotYet },
        Switch("--enable-trace", "") with { OnlyDefault = NotYet },
        new("--otlp-traces-endpoint", Text, "") { Default = "localhost:4317", NoEffect = "no traces are sent" },
        new("--crash-dump-folder", Text, "") { OnlyDefault = NotYet },
        new("--watchdog-timeout", Number, "Seconds without a step, with requests running, after which the engine counts as dead and the server ends.") { Default = "300", Min = 1, Max = 1e9 },
        new("--soft-watchdog-timeout", Number, "Seconds without a step, with requests running, after which a report of all threads is logged.") { Min = 0.1, Max = 1e9 },
    ];

    private static IEnumerable<Flag> Features() =>
    [
        new("--random-seed", Integer, "Seed of sampling; default: random.") { Min = 0, Max = int.MaxValue },
        Switch("--sleep-on-idle", "") with { NoEffect = "an idle engine always sleeps" },
        new("--grammar-backend", Text, "Whether json_schema, regex and ebnf are served; any name but none means the one engine for grammars there is.")
            { Default = "xgrammar", Choices = ["xgrammar", "outlines", "llguidance", "none"] },
        new("--grammar-compile-timeout", Number, "Seconds after which a grammar that still compiles is refused.") { Default = "10", Min = 0.001, Max = 3600 },
        new("--constrained-json-whitespace-pattern", Text, "Regular expression for the blanks between the parts of constrained JSON."),
        Switch("--constrained-json-disable-any-whitespace", "Write constrained JSON in one form, with \", \" and \": \" and no other blanks."),
        new("--reasoning-parser", Text, "How the model marks its reasoning, which chat answers then give apart; auto goes by the model's type.") { Choices = [.. ServerOptions.ReasoningParsers, "auto"] },
        new("--tool-call-parser", Text, "How the model writes tool calls, which chat answers then give as such; auto goes by the model's type.") { Choices = [.. ServerOptions.ToolCallParsers, "auto"] },
        Switch("--enable-deterministic-inference", "") with { OnlyDefault = NotYet },
        Switch("--enable-return-hidden-states", "") with { OnlyDefault = NotYet },
        Switch("--enable-custom-logit-processor", "") with { OnlyDefault = NotYet },
        Switch("--delete-ckpt-after-loading", "") with { OnlyDefault = "checkpoints are never deleted" },
        Switch("--weight-loader-disable-mmap", "") with { NoEffect = "weights are read where the loader wants them" },
        Switch("--weight-loader-prefetch-checkpoints", "") with { NoEffect = "weights are read where the loader wants them" },
    ];

    private static IEnumerable<Flag> Disaggregation() =>
    [
        new("--disaggregation-mode", Text, "") { Default = "null", Choices = ["null", "prefill", "decode"], OnlyDefault = NotYet },
        new("--disaggregation-transfer-backend", Text, "") { Default = "mooncake", NoEffect = "disaggregation is off" },
        new("--disaggregation-bootstrap-port", Integer, "") { Default = "8998", NoEffect = "disaggregation is off" },
        new("--disaggregation-ib-device", Text, "") { NoEffect = "disaggregation is off" },
        new("--num-reserved-decode-tokens", Integer, "") { Default = "512", NoEffect = "disaggregation is off" },
        new("--disaggregation-decode-polling-interval", Integer, "") { Default = "1", NoEffect = "disaggregation is off" },
        Switch("--disaggregation-decode-enable-radix-cache", "") with { NoEffect = "disaggregation is off" },
        Switch("--disaggregation-decode-enable-offload-kvcache", "") with { NoEffect = "disaggregation is off" },
    ];
}
