namespace SgLang.Server.Parsing;

/// <summary>The parsers by the names of the launch flags.</summary>
internal static class ParserNames
{
    public static ToolCallParser CreateToolCalls(string name, IReadOnlyCollection<string> functions) => name switch
    {
        "llama3" => new LlamaCallParser(functions),
        "qwen" or "qwen25" or "qwen3" or "hermes" => new HermesCallParser(functions),
        "deepseekv3" => new DeepSeekCallParser(functions, hasType: true),
        "deepseekv31" => new DeepSeekCallParser(functions, hasType: false),
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, $"must be one of {string.Join(", ", ServerOptions.ToolCallParsers)}"),
    };

    /// <summary>Whether models of the form begin to think without saying so.</summary>
    public static bool OpensSilently(string reasoning) => reasoning is "deepseek-r1" or "qwen3-thinking";

    /// <summary>What "auto" means for a model.</summary>
    public static string? AutoToolCalls(string modelType) => modelType switch
    {
        "llama" => "llama3",
        "qwen2" or "qwen2_moe" or "qwen3" or "qwen3_moe" => "qwen",
        "deepseek_v3" => "deepseekv3",
        _ => null,
    };

    public static string? AutoReasoning(string modelType) => modelType switch
    {
        "qwen3" or "qwen3_moe" => "qwen3",
        "deepseek_v3" => "deepseek-r1",
        _ => null,
    };
}
