using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using SgLang.Engine;
using SgLang.Protocol;
using SgLang.Server.Http;

namespace SgLang.Server.Endpoints;

/// <summary>GET /model_info, /server_info, /v1/models and /v1/models/{id}, with the older names of the first two.</summary>
internal sealed class InfoEndpoints(ServingContext serving)
{
    private const double BytesPerGigabyte = 1L << 30;

    public Task ModelInfoAsync(HttpContext http)
    {
        EngineInfo info = serving.Engine.Info;
        var response = new ModelInfoResponse
        {
            ModelPath = info.ModelPath,
            TokenizerPath = serving.Engine.Options.TokenizerPath ?? info.ModelPath,
            IsGeneration = !serving.Options.IsEmbedding,
            WeightVersion = serving.Engine.Options.WeightVersion,
            ModelType = info.ModelType,
            Architectures = info.Architectures,
        };
        return Respond.JsonAsync(http, 200, response, ProtocolJsonContext.Default.ModelInfoResponse);
    }

    public Task ServerInfoAsync(HttpContext http) => Respond.JsonAsync(http, 200, ServerInfo(), ProtocolJsonContext.Default.JsonObject);

    public Task ModelsAsync(HttpContext http) => Respond.JsonAsync(http, 200, new ModelList([Card()]), ProtocolJsonContext.Default.ModelList);

    public Task ModelAsync(HttpContext http)
    {
        string id = Uri.UnescapeDataString((string?)http.Request.RouteValues["id"] ?? "");
        ModelCard card = Card();
        if (id == card.Id) return Respond.JsonAsync(http, 200, card, ProtocolJsonContext.Default.ModelCard);
        var body = new ModelNotFoundBody(new ModelNotFound($"The model '{id}' does not exist; this server serves '{card.Id}'.", "invalid_request_error", "model", "model_not_found"));
        return Respond.JsonAsync(http, 404, body, ProtocolJsonContext.Default.ModelNotFoundBody);
    }

    /// <summary>All launch arguments, what was derived from them, and the state of each replica, which repeats the arguments.</summary>
    internal JsonObject ServerInfo()
    {
        EngineInfo info = serving.Engine.Info;
        JsonObject answer = (JsonObject)serving.Options.LaunchArguments.DeepClone();
        answer["max_total_num_tokens"] = info.MaxTotalTokens;
        answer["max_req_input_len"] = info.MaxRequestInputLength;
        answer["context_len"] = info.ContextLength;
        answer["device"] = info.Device;
        answer["dtype"] = info.DType;
        answer["page_size"] = info.PageSize;
        answer["max_running_requests"] = info.MaxRunningRequests;
        answer["random_seed"] = info.RandomSeed;
        answer["num_threads"] = info.NumThreads;
        answer["status"] = serving.State.Status switch { ServerStatus.Up => "ready", ServerStatus.Starting => "starting", ServerStatus.ShuttingDown => "shutting_down", _ => "unhealthy" };
        answer["version"] = Version;
        answer["kv_events"] = null;

        IReadOnlyList<ExpertLoad> experts = serving.Engine.ExpertLoads;
        IReadOnlyList<ExchangedRows> exchanged = serving.Engine.ExchangedRows;
        answer["internal_states"] = new JsonArray([.. serving.Engine.ReplicaStats.Select((stats, i) =>
            (JsonNode)ReplicaState(info, stats, i < experts.Count ? experts[i] : null, i < exchanged.Count ? exchanged[i] : null))]);
        return answer;
    }

    private JsonObject ReplicaState(EngineInfo info, EngineStats stats, ExpertLoad? experts, ExchangedRows? exchanged)
    {
        JsonObject state = (JsonObject)serving.Options.LaunchArguments.DeepClone();
        state["dp_size"] = info.DpSize;
        state["last_gen_throughput"] = stats.GenerationThroughput;
        state["memory_usage"] = new JsonObject
        {
            ["weight"] = Math.Round(info.WeightBytes / info.DpSize / BytesPerGigabyte, 2),
            ["kvcache"] = Math.Round(info.KvCacheBytes / info.DpSize / BytesPerGigabyte, 2),
            ["graph"] = Math.Round(info.GraphBytes / info.DpSize / BytesPerGigabyte, 2),
            ["token_capacity"] = info.MaxTotalTokens,
        };
        state["effective_max_running_requests_per_dp"] = info.MaxRunningRequests;
        state["num_running_reqs"] = stats.NumRunning;
        state["num_waiting_reqs"] = stats.NumWaiting;
        state["num_used_tokens"] = stats.UsedTokens;
        if (stats.StepTimes is { } times)
        {
            var byBatch = new JsonObject();
            foreach ((int batch, float[] seconds) in times) byBatch[batch.ToString(CultureInfo.InvariantCulture)] = new JsonArray([.. seconds.Select(second => (JsonNode)second)]);
            state["step_time_dict"] = byBatch;
        }
        if (experts is not null)
        {
            var layers = new JsonObject();
            foreach ((string layer, long[] tokens) in experts.TokensByLayer) layers[layer] = Array(tokens);
            state["expert_distribution"] = new JsonObject { ["tokens_by_layer"] = layers, ["tokens_by_ep_rank"] = Array(experts.TokensByPart), ["balancedness"] = experts.Balancedness };
        }
        if (exchanged is not null) state["expert_exchange"] = new JsonObject { ["rows_sent_by_ep_rank"] = Array(exchanged.Sent), ["rows_received_by_ep_rank"] = Array(exchanged.Received) };
        return state;
    }

    private static JsonArray Array(long[] values) => new([.. values.Select(value => (JsonNode)value)]);

    internal static string Version => typeof(InfoEndpoints).Assembly.GetName().Version?.ToString(3) ?? "0.0.0";

    private ModelCard Card() => new()
    {
        Id = serving.Engine.Info.ModelName,
        Created = serving.Created,
        Root = serving.Engine.Info.ModelName,
        MaxModelLen = serving.Engine.Info.ContextLength,
    };
}
