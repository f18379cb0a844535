using System.Text.Json.Nodes;
using SgLang.Bench.Datasets;
using SgLang.Bench.Load;

namespace SgLang.Bench.Serving;

/// <summary>A kind of server: where requests go and what they look like (spec/benchmarks.md 6.3).</summary>
public sealed record Backend(string Name, AnswerShape Shape, string Path, int DefaultPort)
{
    private const string Completions = "/v1/completions";
    private const string ChatCompletions = "/v1/chat/completions";
    private const string Embeddings = "/v1/embeddings";

    /// <summary>A token id that no vocabulary has, so that Triton does not stop at the end of sequence.</summary>
    private const int NoSuchToken = 1048576;

    public static Backend Sglang { get; } = new("sglang", AnswerShape.Native, "/generate", 30000);

    /// <summary>In the order that help shows them.</summary>
    public static IReadOnlyList<Backend> All { get; } =
    [
        Sglang,
        Sglang with { Name = "sglang-native" },
        new("sglang-oai", AnswerShape.Completion, Completions, 30000),
        new("sglang-oai-chat", AnswerShape.Chat, ChatCompletions, 30000),
        new("sglang-embedding", AnswerShape.Embedding, Embeddings, 30000),
        new("vllm", AnswerShape.Completion, Completions, 8000),
        new("vllm-chat", AnswerShape.Chat, ChatCompletions, 8000),
        new("vllm-embedding", AnswerShape.Embedding, Embeddings, 8000),
        new("lmdeploy", AnswerShape.Completion, Completions, 23333),
        new("lmdeploy-chat", AnswerShape.Chat, ChatCompletions, 23333),
        new("trt", AnswerShape.Triton, "/v2/models/ensemble/generate_stream", 8000) { ReadyPath = "/", ExpectsDone = false, NeedsModel = true },
        new("truss", AnswerShape.Completion, "/v1/models/model:predict", 8080) { NeedsModel = true },
    ];

    /// <summary>Known by name, but nobody has published how it is spoken to.</summary>
    public const string NotImplemented = "gserver";

    /// <summary>Answers with success once the server is ready.</summary>
    public string ReadyPath { get; init; } = "/v1/models";

    /// <summary>Whether streams end with [DONE].</summary>
    public bool ExpectsDone { get; init; } = true;

    /// <summary>The server does not name its model.</summary>
    public bool NeedsModel { get; init; }

    public bool IsSglang => Name.StartsWith("sglang", StringComparison.Ordinal);

    /// <summary>Whether it takes messages, which conversations of several turns need.</summary>
    public bool IsChat => Shape == AnswerShape.Chat;

    /// <summary>Whether its requests can have images.</summary>
    public bool TakesImages => Shape is AnswerShape.Native or AnswerShape.Chat;

    public string FlushPath => Name.StartsWith("vllm", StringComparison.Ordinal) ? "/reset_prefix_cache" : "/flush_cache";

    /// <param name="lora">Adapter of this request; null: none.</param>
    public JsonObject Body(PromptRow row, int outputLength, string model, string? lora, ServingOptions options)
    {
        JsonObject body = Shape switch
        {
            AnswerShape.Native => NativeBody(row, outputLength, lora, options),
            AnswerShape.Triton => TritonBody(row, outputLength, options),
            AnswerShape.Embedding => new JsonObject { ["input"] = Text(row), ["model"] = lora ?? model },
            _ => OpenAIBody(row, outputLength, model, lora, options),
        };
        foreach ((string key, JsonNode? value) in options.ExtraBody) body[key] = value?.DeepClone();
        foreach ((string key, JsonNode? value) in row.ExtraBody ?? []) body[key] = value?.DeepClone();
        return body;
    }

    private static JsonObject NativeBody(PromptRow row, int outputLength, string? lora, ServingOptions options)
    {
        JsonObject sampling = new() { ["temperature"] = options.Temperature, ["max_new_tokens"] = outputLength, ["ignore_eos"] = options.IgnoreEos };
        if (options.TopP < 1) sampling["top_p"] = options.TopP;
        JsonObject body = [];
        if (row.Text is not null) body["text"] = row.Text;
        else body["input_ids"] = new JsonArray([.. row.Ids!.Select(id => (JsonNode)id)]);
        if (row.Images.Count > 0) body["image_data"] = new JsonArray([.. row.Images.Select(image => (JsonNode)image)]);
        body["sampling_params"] = sampling;
        body["stream"] = options.IsStreaming;
        if (lora is not null) body["lora_path"] = lora;
        if (options.ReturnLogprob)
        {
            body["return_logprob"] = true;
            body["logprob_start_len"] = options.LogprobStartLength;
            if (options.TopLogprobs > 0) body["top_logprobs_num"] = options.TopLogprobs;
            if (options.TokenIdsLogprob.Count > 0) body["token_ids_logprob"] = new JsonArray([.. options.TokenIdsLogprob.Select(id => (JsonNode)id)]);
        }
        if (options.ReturnRoutedExperts) body["return_routed_experts"] = true;
        if (options.FakePrefill)
        {
            body["bootstrap_host"] = "2.2.2.2";
            body["bootstrap_room"] = 0;
        }
        return body;
    }

    private JsonObject OpenAIBody(PromptRow row, int outputLength, string model, string? lora, ServingOptions options)
    {
        JsonObject body = new() { ["model"] = lora ?? model };
        if (Shape == AnswerShape.Chat)
        {
            body["messages"] = row.Messages?.DeepClone() ?? PromptRow.FromUser(Text(row), row.Images);
            body["max_completion_tokens"] = outputLength;
        }
        else
        {
            body["prompt"] = Text(row);
            body["best_of"] = 1;
            body["max_tokens"] = outputLength;
        }
        body["stream"] = options.IsStreaming;
        if (!options.ExtraBody.ContainsKey("temperature")) body["temperature"] = 0;
        if (!options.ExtraBody.ContainsKey("ignore_eos")) body["ignore_eos"] = options.IgnoreEos;
        if (options.ReturnLogprob && Shape == AnswerShape.Completion) body["logprobs"] = Math.Max(1, options.TopLogprobs);
        if (lora is not null) body["lora_path"] = lora;
        // Without usage the tokens of a stream could only be guessed from its chunks.
        if (options.IsStreaming) body["stream_options"] = new JsonObject { ["include_usage"] = true, ["continuous_usage_stats"] = true };
        return body;
    }

    private JsonObject TritonBody(PromptRow row, int outputLength, ServingOptions options)
    {
        JsonObject body = new()
        {
            ["accumulate_tokens"] = true, ["text_input"] = Text(row), ["temperature"] = 0.000001, ["top_p"] = 1.0, ["max_tokens"] = outputLength, ["stream"] = true,
        };
        if (options.IgnoreEos)
        {
            body["min_length"] = outputLength;
            body["end_id"] = NoSuchToken;
        }
        return body;
    }

    private string Text(PromptRow row) => row.Text
        ?? throw new BenchUsageException($"--backend {Name} sends text, and there is {(row.Messages is null ? "no tokenizer to make it; name one with --tokenizer, or use --backend sglang" : "none in a data set of messages; use a chat backend")}");
}
