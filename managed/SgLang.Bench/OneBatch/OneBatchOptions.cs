using System.Text.Json.Nodes;
using SgLang.Core;

namespace SgLang.Bench.OneBatch;

/// <summary>What bench-one-batch is asked to do; names are those of its flags.</summary>
public sealed record OneBatchOptions
{
    public required EngineOptions Engine { get; init; }
    public string RunName { get; init; } = "default";
    public IReadOnlyList<int> BatchSizes { get; init; } = [1];
    public IReadOnlyList<int> InputLengths { get; init; } = [1024];

    /// <summary>The token made by the prefill counts.</summary>
    public IReadOnlyList<int> OutputLengths { get; init; } = [16];
    public string PromptFile { get; init; } = "";

    /// <summary>Empty: none.</summary>
    public string ResultFile { get; init; } = "result.jsonl";

    /// <summary>Prompt tokens of the first prefill of the correctness test; 0 computes each prompt at once.</summary>
    public int CutLength { get; init; } = 4;

    /// <summary>File that all logits of the correctness test are stored in, as <see cref="LogitsFile"/> says; empty: none.</summary>
    public string SaveLogits { get; init; } = "";

    /// <summary>File that the correctness test's result is stored in; empty: none.</summary>
    public string SaveReference { get; init; } = "";

    /// <summary>File whose result the correctness test's must equal; empty: nothing is judged.</summary>
    public string Reference { get; init; } = "";

    /// <summary>Largest difference of a logit from the reference's.</summary>
    public double ReferenceTolerance { get; init; } = 0.05;

    /// <summary>Also print every n-th decode step; 0: only the first five.</summary>
    public int LogDecodeStep { get; init; }
    public uint Seed { get; init; } = 42;

    /// <summary>Run each case once more under the profiler; null: do not.</summary>
    public BatchProfileOptions? Profile { get; init; }

    /// <summary>All arguments as result lines show them.</summary>
    public JsonObject Arguments { get; init; } = [];
}
