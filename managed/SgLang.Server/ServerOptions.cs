using System.Text.Json.Nodes;

namespace SgLang.Server;

/// <summary>Settings of the HTTP side; names are those of the command line's flags.</summary>
public sealed record ServerOptions
{
    /// <summary>Names that <see cref="ToolCallParser"/> may have.</summary>
    public static IReadOnlyList<string> ToolCallParsers { get; } = ["llama3", "qwen", "qwen25", "qwen3", "hermes", "deepseekv3", "deepseekv31"];

    /// <summary>Names that <see cref="ReasoningParser"/> may have.</summary>
    public static IReadOnlyList<string> ReasoningParsers { get; } = ["deepseek-r1", "deepseek-v3", "qwen3", "qwen3-thinking"];

    public string Host { get; init; } = "127.0.0.1";

    /// <summary>0 takes a free one.</summary>
    public int Port { get; init; } = 30000;
    public string? ApiKey { get; init; }
    public string? AdminApiKey { get; init; }

    /// <summary>PEM files; both or none. With them the port speaks HTTPS only.</summary>
    public string? SslCertFile { get; init; }
    public string? SslKeyFile { get; init; }
    public string? SslKeyFilePassword { get; init; }

    /// <summary>Origins whose pages may call this server from a browser; "*" means all, empty none.</summary>
    public IReadOnlyList<string> CorsOrigins { get; init; } = [];

    /// <summary>Serve embeddings of prompts in place of continuations.</summary>
    public bool IsEmbedding { get; init; }
    public bool EnableMetrics { get; init; }
    public bool EnableCacheReport { get; init; }
    public bool SkipServerWarmup { get; init; }

    /// <summary>/generate streams the text since the last event instead of the whole.</summary>
    public bool IncrementalStreamingOutput { get; init; }
    public bool StreamResponseDefaultIncludeUsage { get; init; }

    /// <summary>Chat requests take their sampling defaults from generation_config.json.</summary>
    public bool SamplingDefaultsFromModel { get; init; } = true;

    /// <summary>How the model writes tool calls: one of <see cref="ToolCallParsers"/>, "auto" by the model's type, or null to leave them in the text.</summary>
    public string? ToolCallParser { get; init; }

    /// <summary>How the model marks its reasoning: one of <see cref="ReasoningParsers"/>, "auto", or null to leave it in the text.</summary>
    public string? ReasoningParser { get; init; }
    public bool LogRequests { get; init; }

    /// <summary>0 metadata, 1 and sampling parameters, 2 and texts cut to 2048 characters, 3 everything.</summary>
    public int LogRequestsLevel { get; init; } = 2;

    /// <summary>Each line is a JSON object.</summary>
    public bool LogRequestsAsJson { get; init; }

    /// <summary>"stdout" and folders; folders get a file an hour. Empty: stdout.</summary>
    public IReadOnlyList<string> LogRequestsTargets { get; init; } = [];
    public bool EnableRequestTimeStatsLogging { get; init; }
    public long MaxRequestBodyBytes { get; init; } = 128L << 20;

    /// <summary>Requests a single body may expand to (batch times n).</summary>
    public int MaxRequestsPerBody { get; init; } = 16384;
    public TimeSpan WarmupTimeout { get; init; } = TimeSpan.FromSeconds(600);
    public TimeSpan HealthCheckTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>False: /health_generate answers as /health does, from the engine's heartbeat, and runs nothing.</summary>
    public bool HealthGeneration { get; init; } = true;

    /// <summary>Absolute path that output_dir of /start_profile must lie in; null: anywhere.</summary>
    public string? ProfileOutputRoot { get; init; }

    /// <summary>A client that takes nothing for this long (2 s at least) while something waits to be sent is disconnected.</summary>
    public TimeSpan StalledReaderTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>SIGTERM ends running requests instead of waiting for them.</summary>
    public bool ForceShutdown { get; init; }

    /// <summary>Every launch flag by its underscored name, shown by /server_info.</summary>
    public JsonObject LaunchArguments { get; init; } = [];

    /// <summary>Takes what is set by environment variables from <paramref name="variable"/>.</summary>
    /// <exception cref="ServerStartException">A variable whose value cannot be read.</exception>
    public ServerOptions WithEnvironment(Func<string, string?> variable) => this with
    {
        WarmupTimeout = Seconds("SGLANG_WARMUP_TIMEOUT", WarmupTimeout, variable),
        HealthCheckTimeout = Seconds("SGLANG_HEALTH_CHECK_TIMEOUT", HealthCheckTimeout, variable),
        HealthGeneration = Switch("SGLANG_ENABLE_HEALTH_ENDPOINT_GENERATION", HealthGeneration, variable),
        StalledReaderTimeout = Seconds("SGL_STALLED_READER_TIMEOUT", StalledReaderTimeout, variable),
        ForceShutdown = Switch("SGL_FORCE_SHUTDOWN", ForceShutdown, variable),
    };

    private static TimeSpan Seconds(string name, TimeSpan absent, Func<string, string?> variable)
    {
        string? value = variable(name);
        if (string.IsNullOrEmpty(value)) return absent;
        return double.TryParse(value, System.Globalization.CultureInfo.InvariantCulture, out double seconds) && seconds > 0 && seconds < 1e9
            ? TimeSpan.FromSeconds(seconds)
            : throw new ServerStartException($"{name} must be a number of seconds above 0, got '{value}'.");
    }

    private static bool Switch(string name, bool absent, Func<string, string?> variable) => variable(name)?.ToLowerInvariant() switch
    {
        null or "" => absent,
        "1" or "true" or "yes" or "on" => true,
        "0" or "false" or "no" or "off" => false,
        string value => throw new ServerStartException($"{name} must be true or false, got '{value}'."),
    };
}

/// <summary>The server could not start; the message says what to change.</summary>
public sealed class ServerStartException(string message, Exception? inner = null) : Exception(message, inner);
