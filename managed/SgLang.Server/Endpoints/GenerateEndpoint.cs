using System.Diagnostics;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Http;
using SgLang.Core;
using SgLang.Engine;
using SgLang.Protocol;
using SgLang.Protocol.Sse;
using SgLang.Server.Http;
using SgLang.Server.Monitoring;
using SgLang.Server.Serving;

namespace SgLang.Server.Endpoints;

/// <summary>POST or PUT /generate: one prompt or a batch, whole or streamed.</summary>
internal sealed class GenerateEndpoint(ServingContext serving)
{
    public async Task InvokeAsync(HttpContext http)
    {
        long received = Stopwatch.GetTimestamp();
        GenerateRequest body = await RequestBody.ReadAsync(http, ProtocolJsonContext.Default.GenerateRequest);
        EmbeddingRun.Forbid(serving);
        ServingFacts facts = ServingFacts.Of(serving);
        NativePlan plan = NativePlan.Create(body, facts);
        GenerationRequest[] requests = RoutingKeyHeader.Apply(http, RoutedRank.Apply(http, plan.Items));
        await using GenerationGroup group = await GenerationGroup.SubmitAsync(serving.Engine, requests, http.RequestAborted);
        RequestObserver observer = RequestObserver.Begin(serving, group, requests, plan.Stream, received, plan.LogMetrics, body.NoLogs is not true);
        bool isIncremental = plan.Stream && serving.Options.IncrementalStreamingOutput;
        NativeAnswer[] answers =
        [
            .. plan.Items.Select((item, i) => new NativeAnswer(plan, item, i, serving.Engine.Options.WeightVersion, facts.DecodeToken, isIncremental,
                ReasoningCounter.ForPrompt(serving.ReasoningParser, item.InputIds, serving.Engine.Tokenizer, item.Sampling.SkipSpecialTokens))),
        ];
        if (plan.Stream) await StreamAsync(http, group, answers, observer);
        else await AnswerAsync(http, plan, group, answers, observer);
    }

    private static async Task StreamAsync(HttpContext http, GenerationGroup group, NativeAnswer[] answers, RequestObserver observer)
    {
        using SseWriter writer = Respond.BeginEvents(http);
        PipeWriter body = http.Response.BodyWriter;
        CancellationToken aborted = http.RequestAborted;
        while (await group.ReadAsync(aborted) is { } chunk)
        {
            Generation generation = group.Items[chunk.Index];
            observer.Chunk(chunk);
            answers[chunk.Index].Write(writer, chunk, chunk.Finish is null ? GenerationProgress.OfMiddle(generation) : GenerationProgress.Of(generation, observer.Times(chunk.Index)));
            await Respond.FlushAsync(body, aborted);
        }
        writer.WriteDone();
        await Respond.FlushAsync(body, aborted);
    }

    private static async Task AnswerAsync(HttpContext http, NativePlan plan, GenerationGroup group, NativeAnswer[] answers, RequestObserver observer)
    {
        while (await group.ReadAsync(http.RequestAborted) is { } chunk)
        {
            answers[chunk.Index].Add(chunk);
            observer.Chunk(chunk);
            if (chunk.Finish is { Kind: FinishKind.Abort, StatusCode: > 0 } failed)
            {
                await ErrorMapper.WriteAsync(http, ErrorMapper.Rejected(failed.StatusCode, failed.Text ?? "The request was aborted.", ErrorStyle.Native));
                return;
            }
        }
        List<GenerateResponse> responses = [.. answers.Select((answer, i) => answer.ToResponse(GenerationProgress.Of(group.Items[i], observer.Times(i))))];
        if (plan.IsList) await Respond.JsonAsync(http, 200, responses, ProtocolJsonContext.Default.ListGenerateResponse);
        else await Respond.JsonAsync(http, 200, responses[0], ProtocolJsonContext.Default.GenerateResponse);
    }
}
