using System.Diagnostics;
using System.IO.Pipelines;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using SgLang.Core;
using SgLang.Engine;
using SgLang.Protocol;
using SgLang.Protocol.Sse;
using SgLang.Server.Http;
using SgLang.Server.Monitoring;
using SgLang.Server.Parsing;
using SgLang.Server.Serving;

namespace SgLang.Server.Endpoints;

/// <summary>POST /v1/chat/completions.</summary>
internal sealed class ChatCompletionsEndpoint(ServingContext serving)
{
    public async Task InvokeAsync(HttpContext http)
    {
        long received = Stopwatch.GetTimestamp();
        ChatCompletionRequest body = await RequestBody.ReadJsonTypedAsync(http, ProtocolJsonContext.Default.ChatCompletionRequest);
        body.RefuseUnsupported();
        EmbeddingRun.Forbid(serving);
        ServingFacts facts = ServingFacts.Of(serving);
        (int[] prompt, string? text) = ChatPrompt.Encode(serving, body, facts);
        var form = new ChatForm(body, serving.ToolCallParser, serving.ReasoningParser, text);
        OpenAIPlan plan = OpenAIPlan.ForChat(body, prompt, form, serving.Engine.ModelDefaults, facts, serving.Options);
        GenerationRequest[] requests = RoutingKeyHeader.Apply(http, RoutedRank.Apply(http, plan.Items.Select(item => item.Request)));
        await using GenerationGroup group = await GenerationGroup.SubmitAsync(serving.Engine, requests, http.RequestAborted);
        RequestObserver observer = RequestObserver.Begin(serving, group, requests, plan.Stream, received);
        OpenAIAnswer[] answers = [.. plan.Items.Select(item => new OpenAIAnswer(plan, item, facts.DecodeToken, form.NewReasoningCounter(serving.Engine.Tokenizer, item.Request.Sampling.SkipSpecialTokens)))];
        string model = body.Model ?? serving.Engine.Info.ModelName;
        if (plan.Stream) await StreamAsync(http, plan, group, answers, form, model, observer);
        else await AnswerAsync(http, body, plan, group, answers, form, model, observer);
    }

    private async Task AnswerAsync(
        HttpContext http, ChatCompletionRequest body, OpenAIPlan plan, GenerationGroup group, OpenAIAnswer[] answers, ChatForm form, string model, RequestObserver observer)
    {
        while (await group.ReadAsync(http.RequestAborted) is { } chunk)
        {
            answers[chunk.Index].Add(chunk);
            observer.Chunk(chunk);
            if (OpenAIErrors.Of(chunk) is not { } error) continue;
            await ErrorMapper.WriteAsync(http, error);
            return;
        }
        ChatAnswerParser[] parsers = [.. answers.Select(_ => form.NewParser())];
        ChatMessage[] messages = [.. answers.Select((answer, i) => parsers[i].Message(answer.Text))];
        var response = new ChatCompletionResponse
        {
            Id = plan.Id,
            Created = ServingContext.UnixTime(),
            Model = model,
            Choices =
            [
                .. answers.Select((answer, i) => new ChatChoice
                {
                    Index = i,
                    Message = messages[i],
                    Logprobs = answer.ChatLogprobs(),
                    FinishReason = FinishName(answer, parsers[i]),
                    MatchedStop = answer.MatchedStop,
                    MetaInfo = body.ReturnMetaInfo is true ? Meta(plan.Items[i], answer, group.Items[i], observer.Times(i)) : null,
                }),
            ],
            Usage = UsageCounter.Count(plan, group.Items, serving.Options.EnableCacheReport, answers.Sum(answer => answer.ReasoningTokens)),
            Metadata = new ResponseMetadata(serving.Engine.Options.WeightVersion),
            PromptTokenIds = body.ReturnPromptTokenIds is true ? plan.Items[0].Request.InputIds : null,
        };
        await Respond.JsonAsync(http, 200, response, ProtocolJsonContext.Default.ChatCompletionResponse);
    }

    private async Task StreamAsync(HttpContext http, OpenAIPlan plan, GenerationGroup group, OpenAIAnswer[] answers, ChatForm form, string model, RequestObserver observer)
    {
        SseWriter? events = null;
        try
        {
            long created = ServingContext.UnixTime();
            var hasRole = new bool[answers.Length];
            var templates = new EventTemplate?[answers.Length];
            ChatAnswerParser[] parsers = [.. answers.Select(_ => form.NewParser())];
            var parts = new List<ParsedPart>();
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
                events ??= Respond.BeginEvents(http);
                Usage? usage = plan.ContinuousUsage ? UsageCounter.Count(group.Items[index], serving.Options.EnableCacheReport, answer.ReasoningTokens) : null;
                if (!hasRole[index])
                {
                    hasRole[index] = true;
                    Send([new ChatChunkChoice { Index = index, Delta = new ChatDelta { Role = "assistant", Content = "" } }], usage);
                }
                if (answer.HasDelta)
                {
                    ChatLogprobs? logprobs = answer.ChatLogprobs();
                    string delta = answer.TakeDelta();
                    parsers[index].Append(delta, parts);
                    // Scores go with the tokens, even where the text they made is held back.
                    if (logprobs is not null && parts.Count == 0) parts.Add(new ParsedPart(ParsedKind.Content, ""));
                    SendParts(index, logprobs, usage);
                }
                if (answer.Finish is not null)
                {
                    parsers[index].End(parts);
                    SendParts(index, null, usage);
                    Send([new ChatChunkChoice { Index = index, Delta = new ChatDelta(), FinishReason = FinishName(answer, parsers[index]), MatchedStop = answer.MatchedStop }], usage);
                }
                await Respond.FlushAsync(body, aborted);
            }
            events ??= Respond.BeginEvents(http);
            if (plan.IncludeUsage) Send([], UsageCounter.Count(plan, group.Items, serving.Options.EnableCacheReport, answers.Sum(answer => answer.ReasoningTokens)));
            events.WriteDone();
            await Respond.FlushAsync(http);

            void SendParts(int index, ChatLogprobs? logprobs, Usage? usage)
            {
                for (int i = 0; i < parts.Count; i++)
                {
                    if (logprobs is null && usage is null && parts[i].Kind == ParsedKind.Content && Template(index).Fits(parts[i].Text.Length, 0))
                    {
                        events!.Begin(Template(index)).Text(parts[i].Text).End();
                        continue;
                    }
                    Send([new ChatChunkChoice { Index = index, Delta = ChatAnswerParser.Delta(parts[i]), Logprobs = i == 0 ? logprobs : null }], usage);
                }
                parts.Clear();
            }

            EventTemplate Template(int index) => templates[index] ??= EventTemplate.Create(
                Chunk([new ChatChunkChoice { Index = index, Delta = new ChatDelta { Content = "" } }], null), ProtocolJsonContext.Default.ChatCompletionChunk, "content");

            void Send(IReadOnlyList<ChatChunkChoice> choices, Usage? usage) => events!.Write(Chunk(choices, usage), ProtocolJsonContext.Default.ChatCompletionChunk);

            ChatCompletionChunk Chunk(IReadOnlyList<ChatChunkChoice> choices, Usage? usage) =>
                new() { Id = plan.Id, Created = created, Model = model, Choices = choices, Usage = usage };
        }
        finally
        {
            events?.Dispose();
        }
    }

    private static string? FinishName(OpenAIAnswer answer, ChatAnswerParser parser) =>
        parser.HasCalls && answer.Finish is { Kind: FinishKind.StopToken or FinishKind.StopString } ? "tool_calls" : answer.FinishName;

    private MetaInfo Meta(OpenAIItem item, OpenAIAnswer answer, Generation generation, RequestTimes? times)
    {
        var meta = new MetaInfo
        {
            Id = item.Request.Rid,
            FinishReason = answer.Finish is { } finish ? FinishReasonBody.From(finish, generation.CompletionTokens) : null,
            PromptTokens = generation.PromptTokens,
            CompletionTokens = generation.CompletionTokens,
            CachedTokens = generation.CachedTokens,
            ReasoningTokens = answer.ReasoningTokens,
            NumRetractions = generation.NumRetractions,
            WeightVersion = serving.Engine.Options.WeightVersion,
            E2eLatency = generation.Elapsed.TotalSeconds,
        };
        times?.WriteTo(meta);
        return meta;
    }
}
