using System.Text.Json.Nodes;

namespace SgLang.Bench.OneBatchServer;

/// <summary>What /server_info says that matters to a batch.</summary>
/// <param name="TokenizerPath">Null where the server names none.</param>
/// <param name="RunningLimit">Most rows that run at once over all replicas; null: unknown.</param>
/// <param name="TokenCapacity">Tokens the KV caches hold; null: unknown.</param>
/// <param name="IsRouter">Behind a router limits are not those of one server.</param>
internal sealed record ServerFacts(string? TokenizerPath, string? ModelPath, long? RunningLimit, long? TokenCapacity, int TensorParallelSize, bool IsRouter)
{
    public static ServerFacts From(JsonNode? info)
    {
        JsonNode? first = info?["internal_states"] is JsonArray { Count: > 0 } states ? states[0] : null;
        JsonNode? prefill = info?["prefill"] is JsonArray { Count: > 0 } workers ? workers[0] : null;
        bool isRouter = info?["router_manager"] is not null && first is null;
        long? perReplica = (long?)first?["effective_max_running_requests_per_dp"];
        long? capacity = first is null ? null : info!["internal_states"]!.AsArray().Sum(state => (long?)state?["memory_usage"]?["token_capacity"]);
        return new ServerFacts(
            (string?)info?["tokenizer_path"] ?? (string?)prefill?["tokenizer_path"],
            (string?)info?["model_path"] ?? (string?)prefill?["model_path"],
            isRouter ? null : perReplica * ((long?)first?["dp_size"] ?? 1),
            isRouter || capacity is 0 ? null : capacity,
            (int?)info?["tp_size"] ?? 1,
            isRouter);
    }

    /// <summary>The last value over the replicas that is not null.</summary>
    public static double? LastState(JsonNode? info, string field) =>
        info?["internal_states"] is JsonArray states ? states.Select(state => (double?)state?[field]).LastOrDefault(value => value is not null) : null;
}
