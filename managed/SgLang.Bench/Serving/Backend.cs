using System.Text.Json.Nodes;
using SgLang.Bench.Datasets;

namespace SgLang.Bench.Serving;

/// <summary>How an answer's stream is read.</summary>
public enum AnswerShape : byte
{
    /// <summary>/generate: cumulative counts in meta_info.</summary>
    Native,

    /// <summary>/v1/completions.</summary>
    Completion,

    /// <summary>/v1/chat/completions.</summary>
    Chat,
}

/// <summary>A kind of server: where requests go and what they look like (spec/benchmarks.md 6.3).</summary>
public sealed record Backend(string Name, AnswerShape Shape, string Path, int DefaultPort, bool CountsEveryChunk)
{
    public static Backend Sglang { get; } = new("sglang", AnswerShape.Native, "/generate", 30000, true);

    /// <summary>In the order that help shows them.</summary>
    public static IReadOnlyList<Backend> All { get; } =
    [
        Sglang,
        Sglang with { Name = "sglang-native" },
        new("sglang-oai", AnswerShape.Completion, "/v1/completions", 30000, true),
        new("sglang-oai-chat", AnswerShape.Chat, "/v1/chat/completions", 30000, true),
        new("vllm", AnswerShape.Completion, "/v1/completions", 8000, true),
        new("vllm-chat", AnswerShape.Chat, "/v1/chat/completions", 8000, true),
    ];

    public bool IsSglang => Name.StartsWith("sglang", StringComparison.Ordinal);

    public string FlushPath => IsSglang ? "/flush_cache" : "/reset_prefix_cache";

    public JsonObject Body(PromptRow row, int outputLength, string model, ServingOptions options)
    {
        JsonObject body = Shape == AnswerShape.Native ? NativeBody(row, outputLength, options) : OpenAIBody(row, outputLength, model, options);
        foreach ((string key, JsonNode? value) in options.ExtraBody) body[key] = value?.DeepClone();
        return body;
    }

    private static JsonObject NativeBody(PromptRow row, int outputLength, ServingOptions options)
    {
        JsonObject sampling = new() { ["temperature"] = options.Temperature, ["max_new_tokens"] = outputLength, ["ignore_eos"] = options.IgnoreEos };
        if (options.TopP < 1) sampling["top_p"] = options.TopP;
        JsonObject body = [];
        if (row.Text is not null) body["text"] = row.Text;
        else body["input_ids"] = new JsonArray([.. row.Ids!.Select(id => (JsonNode)id)]);
        body["sampling_params"] = sampling;
        body["stream"] = options.IsStreaming;
        if (options.ReturnLogprob) body["return_logprob"] = true;
        return body;
    }

    private JsonObject OpenAIBody(PromptRow row, int outputLength, string model, ServingOptions options)
    {
        string text = row.Text ?? throw new BenchException($"--backend {Name} sends text, and there is no tokenizer to make it; name one with --tokenizer, or use --backend sglang");
        JsonObject body = new() { ["model"] = model };
        if (Shape == AnswerShape.Chat)
        {
            body["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = text });
            body["max_completion_tokens"] = outputLength;
        }
        else
        {
            body["prompt"] = text;
            body["max_tokens"] = outputLength;
        }
        body["stream"] = options.IsStreaming;
        if (!options.ExtraBody.ContainsKey("temperature")) body["temperature"] = 0;
        if (!options.ExtraBody.ContainsKey("ignore_eos")) body["ignore_eos"] = options.IgnoreEos;
        // Without usage the tokens of a stream could only be guessed from its chunks.
        if (options.IsStreaming) body["stream_options"] = new JsonObject { ["include_usage"] = true, ["continuous_usage_stats"] = CountsEveryChunk };
        return body;
    }
}
