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
        while (await group.ReadAsync(http.RequestAborted) is { } chunk)
        {
            answers[chunk.Index].Add(chunk);
            observer.Chunk(chunk);
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
            var templates = new EventTemplate?[answers.Length];
            PipeWriter body = http.Response.BodyWriter;
            CancellationToken aborted = http.RequestAborted;
            while (await group.ReadAsync(aborted) is { } chunk)
            {
                int index = chunk.Index;
                OpenAIAnswer answer = answers[index];
                answer.Add(chunk);
                observer.Chunk(chunk);
                if (OpenAIErrors.Of(chunk) is { } error)
                {
                    await OpenAIErrors.EndStreamAsync(http, events, error);
                    return;
                }
                if (!answer.HasDelta && answer.Finish is null) continue;
                events ??= Respond.BeginEvents(http);
                CompletionLogprobs? logprobs = answer.CompletionLogprobs();
                string delta = answer.TakeDelta();
                if (logprobs is null && answer.Finish is null && !plan.ContinuousUsage && Template(index).Fits(delta.Length, 0)) events.Begin(Template(index)).Text(delta).End();
                else Send([Choice(index, answer, logprobs, delta)], plan.ContinuousUsage ? UsageCounter.Count(group.Items[index], serving.Options.EnableCacheReport) : null);
                await Respond.FlushAsync(body, aborted);
            }
            events ??= Respond.BeginEvents(http);
            if (plan.IncludeUsage) Send([], UsageCounter.Count(plan, group.Items, serving.Options.EnableCacheReport));
            events.WriteDone();
            await Respond.FlushAsync(http);

            EventTemplate Template(int index) => templates[index] ??= EventTemplate.Create(
                Event([new CompletionChoice { Index = index, Text = "" }], null), ProtocolJsonContext.Default.CompletionResponse, "text");

            void Send(IReadOnlyList<CompletionChoice> choices, Usage? usage) => events!.Write(Event(choices, usage), ProtocolJsonContext.Default.CompletionResponse);

            CompletionResponse Event(IReadOnlyList<CompletionChoice> choices, Usage? usage) =>
                new() { Id = plan.Id, Created = created, Model = model, Choices = choices, Usage = usage };
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
