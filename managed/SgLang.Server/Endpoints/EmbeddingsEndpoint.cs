using System.Diagnostics;
using Microsoft.AspNetCore.Http;
using SgLang.Engine;
using SgLang.Protocol;
using SgLang.Protocol.Json;
using SgLang.Server.Http;
using SgLang.Server.Monitoring;
using SgLang.Server.Serving;

namespace SgLang.Server.Endpoints;

/// <summary>POST /v1/embeddings.</summary>
internal sealed class EmbeddingsEndpoint(ServingContext serving)
{
    public async Task InvokeAsync(HttpContext http)
    {
        long received = Stopwatch.GetTimestamp();
        EmbeddingRequest body = await RequestBody.ReadJsonTypedAsync(http, ProtocolJsonContext.Default.EmbeddingRequest);
        EmbeddingRun.Demand(serving);
        body.RefuseUnsupported();
        ServingFacts facts = ServingFacts.Of(serving);
        if (body.EncodingFormat is not (null or "float" or "base64"))
            throw new InvalidRequestException($"encoding_format must be \"float\" or \"base64\", got \"{body.EncodingFormat}\".");
        int width = serving.Engine.Info.HiddenSize;
        if (body.Dimensions is { } dimensions && dimensions != width)
            throw new InvalidRequestException($"dimensions must be {width}: the model's embeddings cannot be cut, got {dimensions}.");
        int[][] prompts = Prompts(body, facts);
        facts.CheckCount(prompts.Length, 1);
        NativePlan.CheckLength("extra_key", body.ExtraKey, prompts.Length);
        NativePlan.CheckLength("cache_salt", body.CacheSalt, prompts.Length);
        if (body.Rid is { Length: 0 }) throw new InvalidRequestException("rid cannot be an empty string.");
        string[] rids = NativePlan.Rids(body.Rid is { } rid ? rid : (OneOrMany<string>?)null, prompts.Length, 1, isMany: false);
        GenerationRequest[] requests = RoutedRank.Apply(http, prompts.Select((ids, i) => EmbeddingRun.Request(rids[i], ids, body.Priority, null, NativePlan.ExtraKey(body.ExtraKey, body.CacheSalt, i))));
        await using GenerationGroup group = await GenerationGroup.SubmitAsync(serving.Engine, requests, http.RequestAborted);
        RequestObserver observer = RequestObserver.Begin(serving, group, requests, isStreaming: false, received);
        if (await EmbeddingRun.ReadAsync(http, serving, group, observer) is not { } vectors) return;
        var response = new EmbeddingResponse
        {
            Data = [.. vectors.Select((vector, i) => new EmbeddingItem(i, new EmbeddingVector(vector, body.EncodingFormat == "base64")))],
            Model = body.Model ?? serving.Engine.Info.ModelName,
            Usage = UsageCounter.OfPrompts(group.Items, serving.Options.EnableCacheReport),
        };
        await Respond.JsonAsync(http, 200, response, ProtocolJsonContext.Default.EmbeddingResponse);
    }

    private static int[][] Prompts(EmbeddingRequest body, ServingFacts facts)
    {
        int[][] prompts = body.Input switch
        {
            { Text: { } text } => [.. text.Items.Select((item, i) => item.Length > 0 ? facts.EncodeText(item, addSpecialTokens: true, "input") : [])],
            { Ids: { } ids } => [.. ids.Items],
            _ => [],
        };
        if (prompts.Length == 0) throw new InvalidRequestException("Input cannot be empty");
        int empty = Array.FindIndex(prompts, ids => ids.Length == 0);
        if (empty >= 0) throw new InvalidRequestException(prompts.Length == 1 ? "Input cannot be empty" : $"Input at index {empty} cannot be empty");
        return prompts;
    }
}
