using System.Text.Json;
using System.Text.Json.Nodes;
using SgLang.Core;
using SgLang.Engine;

namespace SgLang.Server.Monitoring;

/// <summary>Lines of the request log for programs: {"timestamp", "event", "rid", "obj", "out"}.</summary>
internal static class RequestLogJson
{
    public static string Receive(GenerationRequest request, int level, DateTimeOffset time) => Line(time, "request.received", request.Rid, Describe(request, level), null);

    public static string Finish(GenerationRequest request, Generation generation, FinishReason? finish, string text, int level, DateTimeOffset time)
    {
        var meta = new JsonObject
        {
            ["id"] = generation.Rid,
            ["finish_reason"] = finish is { } reason ? FinishOf(reason, generation.CompletionTokens) : null,
            ["prompt_tokens"] = generation.PromptTokens,
            ["completion_tokens"] = generation.CompletionTokens,
            ["cached_tokens"] = generation.CachedTokens,
            ["e2e_latency"] = Math.Round(generation.Elapsed.TotalSeconds, 6),
        };
        var output = new JsonObject { ["meta_info"] = meta };
        if (level >= 2) output["text"] = RequestLog.Cut(text, level);
        return Line(time, "request.finished", request.Rid, Describe(request, level), output);
    }

    private static string Line(DateTimeOffset time, string happened, string rid, JsonObject request, JsonObject? output)
    {
        var line = new JsonObject { ["timestamp"] = time.ToString("O"), ["event"] = happened, ["rid"] = rid, ["obj"] = request };
        if (output is not null) line["out"] = output;
        return line.ToJsonString();
    }

    private static JsonObject Describe(GenerationRequest request, int level)
    {
        var fields = new JsonObject { ["stream"] = request.IsStreaming, ["prompt_tokens"] = request.InputIds.Length };
        if (request.Priority is { } priority) fields["priority"] = priority;
        if (level >= 1) fields["sampling_params"] = Describe(request.Sampling);
        if (level >= 2)
        {
            int shown = level >= 3 ? request.InputIds.Length : Math.Min(request.InputIds.Length, RequestLog.MaxText);
            fields["input_ids"] = new JsonArray([.. request.InputIds.AsSpan(0, shown).ToArray().Select(id => (JsonNode)id)]);
        }
        return fields;
    }

    private static JsonObject Describe(SamplingParams s) => new()
    {
        ["max_new_tokens"] = s.MaxNewTokens,
        ["min_new_tokens"] = s.MinNewTokens,
        ["temperature"] = s.Temperature,
        ["top_p"] = s.TopP,
        ["top_k"] = s.TopK,
        ["min_p"] = s.MinP,
        ["frequency_penalty"] = s.FrequencyPenalty,
        ["presence_penalty"] = s.PresencePenalty,
        ["repetition_penalty"] = s.RepetitionPenalty,
        ["ignore_eos"] = s.IgnoreEos,
        ["sampling_seed"] = s.Seed,
        ["stop"] = new JsonArray([.. s.Stop.Select(stop => (JsonNode?)JsonValue.Create(stop))]),
        ["stop_token_ids"] = new JsonArray([.. s.StopTokenIds.Select(id => (JsonNode)id)]),
    };

    private static JsonObject FinishOf(FinishReason reason, int length) => reason.Kind switch
    {
        FinishKind.StopToken => new JsonObject { ["type"] = "stop", ["matched"] = reason.TokenId },
        FinishKind.StopString => new JsonObject { ["type"] = "stop", ["matched"] = reason.Text },
        FinishKind.Length => new JsonObject { ["type"] = "length", ["length"] = length },
        _ => new JsonObject { ["type"] = "abort", ["message"] = reason.Text, ["status_code"] = reason.StatusCode },
    };
}
