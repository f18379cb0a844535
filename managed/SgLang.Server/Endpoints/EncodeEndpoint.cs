using System.Diagnostics;
using Microsoft.AspNetCore.Http;
using SgLang.Core;
using SgLang.Engine;
using SgLang.Protocol;
using SgLang.Server.Http;
using SgLang.Server.Monitoring;
using SgLang.Server.Serving;

namespace SgLang.Server.Endpoints;

/// <summary>POST or PUT /encode: the embedding of one prompt, or of a batch.</summary>
internal sealed class EncodeEndpoint(ServingContext serving)
{
    public async Task InvokeAsync(HttpContext http)
    {
        long received = Stopwatch.GetTimestamp();
        EncodeRequest body = await RequestBody.ReadAsync(http, ProtocolJsonContext.Default.EncodeRequest);
        EmbeddingRun.Demand(serving);
        body.RefuseUnsupported();
        ServingFacts facts = ServingFacts.Of(serving);
        (IReadOnlyList<int[]> prompts, bool isMany) = NativePlan.Prompts(body.Text, body.InputIds, facts);
        facts.CheckCount(prompts.Count, 1);
        NativePlan.CheckLength("extra_key", body.ExtraKey, prompts.Count);
        string[] rids = NativePlan.Rids(body.Rid, prompts.Count, 1, isMany);
        int? rank = body.RoutedDpRank ?? body.DataParallelRank;
        GenerationRequest[] requests = RoutedRank.Apply(http, prompts.Select((ids, i) => EmbeddingRun.Request(rids[i], ids, body.Priority, rank, NativePlan.ExtraKey(body.ExtraKey, null, i))));
        await using GenerationGroup group = await GenerationGroup.SubmitAsync(serving.Engine, requests, http.RequestAborted);
        RequestObserver observer = RequestObserver.Begin(serving, group, requests, isStreaming: false, received, body.LogMetrics is not false, body.NoLogs is not true);
        if (await EmbeddingRun.ReadAsync(http, serving, group, observer) is not { } vectors) return;
        List<EncodeResponse> responses = [.. vectors.Select((vector, i) => new EncodeResponse(vector, Meta(group.Items[i])))];
        if (isMany) await Respond.JsonAsync(http, 200, responses, ProtocolJsonContext.Default.ListEncodeResponse);
        else await Respond.JsonAsync(http, 200, responses[0], ProtocolJsonContext.Default.EncodeResponse);
    }

    private MetaInfo Meta(Generation generation) => new()
    {
        Id = generation.Rid,
        FinishReason = FinishReasonBody.From(FinishReason.Length, 0),
        PromptTokens = generation.PromptTokens,
        CachedTokens = generation.CachedTokens,
        NumRetractions = generation.NumRetractions,
        WeightVersion = serving.Engine.Options.WeightVersion,
        E2eLatency = generation.Elapsed.TotalSeconds,
    };
}
