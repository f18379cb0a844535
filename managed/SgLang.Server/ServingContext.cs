using Microsoft.Extensions.Logging;
using SgLang.Engine;
using SgLang.Server.Monitoring;
using SgLang.Server.Parsing;

namespace SgLang.Server;

/// <summary>What every endpoint works with.</summary>
internal sealed class ServingContext
{
    public required InferenceEngine Engine { get; init; }
    public required ServerOptions Options { get; init; }
    public required ServerState State { get; init; }
    public required ServerMetrics Metrics { get; init; }
    public required RequestLog RequestLog { get; init; }
    public required ILogger Log { get; init; }

    /// <summary>Unix time at which the model was loaded: `created` of the model's card.</summary>
    public required long Created { get; init; }

    /// <summary>Name of the form of tool calls, "auto" resolved; null when they stay in the text.</summary>
    public string? ToolCallParser => Options.ToolCallParser == "auto" ? ParserNames.AutoToolCalls(Engine.Info.ModelType) : Options.ToolCallParser;

    /// <summary>Likewise for reasoning.</summary>
    public string? ReasoningParser => Options.ReasoningParser == "auto" ? ParserNames.AutoReasoning(Engine.Info.ModelType) : Options.ReasoningParser;

    public static long UnixTime() => DateTimeOffset.UtcNow.ToUnixTimeSeconds();
}
