using System.Diagnostics;
using Microsoft.AspNetCore.Http;
using SgLang.Core;
using SgLang.Engine;
using SgLang.Protocol;
using SgLang.Protocol.Sse;
using SgLang.Server.Http;
using SgLang.Server.Monitoring;
using SgLang.Server.Serving;

namespace SgLang.Server.Endpoints;

/// <summary>POST /v1/completions.</summary>
internal sealed class CompletionsEndpoint(ServingContext serving)
{
    public async Task InvokeAsync(HttpContext http)
    {
        long received = Stopwatch.GetTimestamp();
        CompletionRequest body = await RequestBody.ReadJsonTypedAsync(http, ProtocolJsonContext.Default.CompletionRequest);
        EmbeddingRun.Forbid(serving);
        ServingFacts facts = ServingFacts.Of(serving);
        OpenAIPlan plan = OpenAIPlan.ForCompletion(body, facts, serving.Options);
        GenerationRequest[] requests = RoutingKeyHeader.Apply(http, RoutedRank.Apply(http, plan.Items.Select(item => item.Request)));
        await using GenerationGroup group = await GenerationGroup.SubmitAsync(serving.Engine, requests, http.RequestAborted);
        RequestObserver observer = RequestObserver.Begin(serving, group, requests, plan.Stream, received);
        OpenAIAnswer[] answers = [.. plan.Items.Select(item => new OpenAIAnswer(plan, item, facts.DecodeToken))];
        string model = body.Model ?? serving.Engine.Info.ModelName;
        if (plan.Stream) await StreamAsync(http, plan, group, answers, model, observer);
        else await AnswerAsync(http, plan, group, answers, model, observer);
    }

    private async Task AnswerAsync(HttpContext http, OpenAIPlan plan, GenerationGroup group, OpenAIAnswer[] answers, string model, RequestObserver observer)
    {
        await foreach ((int index, GenerationChunk chunk) in group.ReadAsync(http.RequestAborted))
        {
            answers[index].Add(chunk);
            observer.Chunk(index, chunk);
            if (OpenAIErrors.Of(chunk) is not { } error) continue;
            await ErrorMapper.WriteAsync(http, error);
            return;
        }
        var response = new CompletionResponse
        {
            Id = plan.Id,
            Created = ServingContext.UnixTime(),
            Model = model,
            Choices = [.. answers.Select((answer, i) => Choice(i, answer, answer.CompletionLogprobs(), answer.Text))],
            Usage = UsageCounter.Count(plan, group.Items, serving.Options.EnableCacheReport),
            Metadata = new ResponseMetadata(serving.Engine.Options.WeightVersion),
        };
        await Respond.JsonAsync(http, 200, response, ProtocolJsonContext.Default.CompletionResponse);
    }

    private async Task StreamAsync(HttpContext http, OpenAIPlan plan, GenerationGroup group, OpenAIAnswer[] answers, string model, RequestObserver observer)
    {
        SseWriter? events = null;
        try
        {
            long created = ServingContext.UnixTime();
            await foreach ((int index, GenerationChunk chunk) in group.ReadAsync(http.RequestAborted))
            {
                OpenAIAnswer answer = answers[index];
                answer.Add(chunk);
                observer.Chunk(index, chunk);
                if (OpenAIErrors.Of(chunk) is { } error)
                {
                    await OpenAIErrors.EndStreamAsync(http, events, error);
                    return;
                }
                if (!answer.HasDelta && answer.Finish is null) continue;
                events ??= Respond.BeginEvents(http);
                CompletionLogprobs? logprobs = answer.CompletionLogprobs();
                Send([Choice(index, answer, logprobs, answer.TakeDelta())], plan.ContinuousUsage ? UsageCounter.Count(group.Items[index], serving.Options.EnableCacheReport) : null);
                await Respond.FlushAsync(http);
            }
            events ??= Respond.BeginEvents(http);
            if (plan.IncludeUsage) Send([], UsageCounter.Count(plan, group.Items, serving.Options.EnableCacheReport));
            events.WriteDone();
            await Respond.FlushAsync(http);

            void Send(IReadOnlyList<CompletionChoice> choices, Usage? usage) => events!.Write(
                new CompletionResponse { Id = plan.Id, Created = created, Model = model, Choices = choices, Usage = usage },
                ProtocolJsonContext.Default.CompletionResponse);
        }
        finally
        {
            events?.Dispose();
        }
    }

    private static CompletionChoice Choice(int index, OpenAIAnswer answer, CompletionLogprobs? logprobs, string text) => new()
    {
        Index = index,
        Text = text,
        Logprobs = logprobs,
        FinishReason = answer.FinishName,
        MatchedStop = answer.MatchedStop,
    };
}
