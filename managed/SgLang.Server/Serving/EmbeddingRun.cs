using Microsoft.AspNetCore.Http;
using SgLang.Core;
using SgLang.Engine;
using SgLang.Protocol;
using SgLang.Server.Http;
using SgLang.Server.Monitoring;

namespace SgLang.Server.Serving;

/// <summary>The embeddings of one body's prompts, by way of the engine like any other request.</summary>
internal static class EmbeddingRun
{
    private static readonly SamplingParams s_nothing = new() { MaxNewTokens = 0, Temperature = 0 };

    /// <exception cref="InvalidRequestException">The server was started to generate.</exception>
    public static void Demand(ServingContext serving)
    {
        if (!serving.Options.IsEmbedding)
            throw new InvalidRequestException("This server generates text; start it with --is-embedding to serve embeddings.");
    }

    /// <exception cref="InvalidRequestException">The server was started to embed.</exception>
    public static void Forbid(ServingContext serving)
    {
        if (serving.Options.IsEmbedding)
            throw new InvalidRequestException("This server serves embeddings (--is-embedding): use /v1/embeddings or /encode, or start it without the flag to generate text.");
    }

    public static GenerationRequest Request(string rid, int[] ids, int? priority, int? rank, string? extraKey) =>
        new() { Rid = rid, InputIds = ids, Sampling = s_nothing, WantsEmbedding = true, Priority = priority, DpRank = rank, ExtraKey = extraKey };

    /// <summary>One vector for each request; null when one failed and its error has been answered.</summary>
    public static async Task<float[][]?> ReadAsync(HttpContext http, ServingContext serving, GenerationGroup group, RequestObserver observer)
    {
        var vectors = new float[group.Items.Count][];
        while (await group.ReadAsync(http.RequestAborted) is { } chunk)
        {
            observer.Chunk(chunk);
            if (chunk.Embedding is { } vector)
            {
                vectors[chunk.Index] = vector;
                continue;
            }
            // An abort by the user leaves nothing to give.
            FinishReason? finish = chunk.Finish;
            int status = finish is { Kind: FinishKind.Abort, StatusCode: > 0 } failed ? failed.StatusCode : 400;
            await ErrorMapper.WriteAsync(http, ErrorMapper.Rejected(status, finish?.Text ?? "The request was aborted.", ErrorMapper.StyleOf(http.Request.Path)));
            return null;
        }
        return vectors;
    }
}
