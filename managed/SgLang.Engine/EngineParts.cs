using SgLang.Core;
using SgLang.Models;
using SgLang.Models.Experts;
using SgLang.Scheduling;
using SgLang.Tokenization;

namespace SgLang.Engine;

/// <summary>What <see cref="EngineLoader"/> made and an engine is put together from; owned by the engine from then on.</summary>
internal sealed record EngineParts
{
    public required EngineOptions Options { get; init; }
    public required EngineInfo Info { get; init; }
    public required SchedulerOptions SchedulerOptions { get; init; }

    /// <summary>Tokens after which a reader takes them although it has nothing to send yet.</summary>
    public int ForceStreamInterval { get; init; } = 50;
    public required RankGroup[] Replicas { get; init; }

    /// <summary>Of each replica, the counters of its stages on this node; empty where nothing is counted.</summary>
    public ExpertCounter[][] Experts { get; init; } = [];

    /// <summary>Of each replica, those of its ranks on this node; empty where tokens are never exchanged.</summary>
    public ExpertExchange[][] Exchanges { get; init; } = [];

    /// <summary>Decode batches that the ranks replay.</summary>
    public GraphBatchSizes Graphs { get; init; } = GraphBatchSizes.None;
    public required SamplingParams ModelDefaults { get; init; }

    /// <summary>Union of config.json, generation_config.json and the tokenizer.</summary>
    public required int[] EosTokenIds { get; init; }
    public EngineProfiler Profiler { get; init; } = new();
    public Tokenizer? Tokenizer { get; init; }

    /// <summary>Null: one over the tokenizer.</summary>
    public GrammarStore? Grammars { get; init; }
    public ChatTemplate? ChatTemplate { get; init; }
}
