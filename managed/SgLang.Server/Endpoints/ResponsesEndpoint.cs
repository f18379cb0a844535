using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using SgLang.Core;
using SgLang.Engine;
using SgLang.Protocol;
using SgLang.Protocol.Sse;
using SgLang.Server.Http;
using SgLang.Server.Monitoring;
using SgLang.Server.Serving;

namespace SgLang.Server.Endpoints;

/// <summary>POST /v1/responses; GET, DELETE and POST .../cancel of one that is stored. Text in, text and reasoning out.</summary>
internal sealed class ResponsesEndpoint(ServingContext serving)
{
    private readonly ResponseStore _store = new(ResponseStore.DefaultCapacity);

    public async Task CreateAsync(HttpContext http)
    {
        long received = Stopwatch.GetTimestamp();
        ResponsesRequest body = await RequestBody.ReadJsonTypedAsync(http, ProtocolJsonContext.Default.ResponsesRequest);
        EmbeddingRun.Forbid(serving);
        body.RefuseUnsupported();
        if (body.MaxOutputTokens is < 1) throw new InvalidRequestException($"max_output_tokens must be at least 1, got {body.MaxOutputTokens}.");
        bool isStored = body.Store ?? true, isBackground = body.Background ?? false;
        if (isBackground && !isStored) throw new InvalidRequestException("background needs store: the result could not be asked for.");
        if (isBackground && body.Stream is true) throw new InvalidRequestException("background and stream exclude each other on this server.");
        StoredResponse? previous = null;
        if (body.PreviousResponseId is { } previousId)
        {
            previous = _store.Find(previousId);
            if (previous is null)
            {
                await NotFoundAsync(http, previousId);
                return;
            }
            if (!previous.HasEnded) throw new InvalidRequestException($"previous_response_id: response '{previousId}' has not ended.");
        }
        JsonArray input = ResponsesInput.Messages(body.Input);
        ServingFacts facts = ServingFacts.Of(serving);
        ChatCompletionRequest chat = body.ToChat() with { Rid = body.Rid ?? $"resp_{Guid.NewGuid():N}" };
        chat.Messages = Conversation(body, previous, input);
        (int[] prompt, string? text) = ChatPrompt.Encode(serving, chat, facts);
        var form = new ChatForm(chat, toolCallParser: null, serving.ReasoningParser, text);
        OpenAIPlan plan = OpenAIPlan.ForChat(chat, prompt, form, serving.Engine.ModelDefaults, facts, serving.Options);
        GenerationRequest[] requests = RoutedRank.Apply(http, plan.Items.Select(item => item.Request));

        CancellationTokenSource? cancellation = isBackground ? new CancellationTokenSource() : null;
        var stored = new StoredResponse(Begin(body, plan, isBackground), input, previous, cancellation);
        GenerationGroup group = await GenerationGroup.SubmitAsync(serving.Engine, requests, http.RequestAborted);
        var run = new ResponseRun(serving, stored, plan, form, group, RequestObserver.Begin(serving, group, requests, plan.Stream, received));
        if (isBackground)
        {
            _store.Add(stored);
            _ = RunInBackgroundAsync(run, stored, group);
            await Respond.JsonAsync(http, 200, stored.Body, ProtocolJsonContext.Default.ResponseBody);
            return;
        }
        await using GenerationGroup owned = group;
        if (plan.Stream) await StreamAsync(http, run);
        else await AnswerAsync(http, run, stored);
        if (isStored && stored.HasEnded) _store.Add(stored);
    }

    public Task GetAsync(HttpContext http)
    {
        string id = IdOf(http);
        return _store.Find(id) is { } stored ? Respond.JsonAsync(http, 200, stored.Body, ProtocolJsonContext.Default.ResponseBody) : NotFoundAsync(http, id);
    }

    public Task DeleteAsync(HttpContext http)
    {
        string id = IdOf(http);
        return _store.Remove(id) ? Respond.JsonAsync(http, 200, new ResponseDeleted(id), ProtocolJsonContext.Default.ResponseDeleted) : NotFoundAsync(http, id);
    }

    /// <summary>Of a response that runs in the background. One that has ended stays as it is.</summary>
    public async Task CancelAsync(HttpContext http)
    {
        string id = IdOf(http);
        if (_store.Find(id) is not { } stored)
        {
            await NotFoundAsync(http, id);
            return;
        }
        if (stored.Cancellation is not { } cancellation) throw new InvalidRequestException("Only a response with background can be cancelled; close the connection of any other.");
        await cancellation.CancelAsync();
        await stored.Ended.WaitAsync(http.RequestAborted);
        await Respond.JsonAsync(http, 200, stored.Body, ProtocolJsonContext.Default.ResponseBody);
    }

    private static async Task AnswerAsync(HttpContext http, ResponseRun run, StoredResponse stored)
    {
        if (await run.ReadAsync(new ResponseOutput(null), null, null, http.RequestAborted) is { } failed)
        {
            await ErrorMapper.WriteAsync(http, ErrorMapper.Rejected(failed.StatusCode, failed.Text ?? "The request was aborted.", ErrorStyle.OpenAI));
            return;
        }
        // A failure that came later is the answer's, as in the background.
        await Respond.JsonAsync(http, 200, stored.Body, ProtocolJsonContext.Default.ResponseBody);
    }

    private static async Task StreamAsync(HttpContext http, ResponseRun run)
    {
        SseWriter? events = null;
        try
        {
            var output = new ResponseOutput(happened => events?.Write(happened.Type, happened, ProtocolJsonContext.Default.ResponseEvent));
            if (await run.ReadAsync(output, () => events = Respond.BeginEvents(http), () => Respond.FlushAsync(http), http.RequestAborted) is { } failed)
                await ErrorMapper.WriteAsync(http, ErrorMapper.Rejected(failed.StatusCode, failed.Text ?? "The request was aborted.", ErrorStyle.OpenAI));
        }
        finally
        {
            events?.Dispose();
        }
    }

    private static async Task RunInBackgroundAsync(ResponseRun run, StoredResponse stored, GenerationGroup group)
    {
        var output = new ResponseOutput(null);
        try
        {
            await using (group) await run.ReadAsync(output, null, null, stored.Cancellation!.Token);
        }
        catch (OperationCanceledException)
        {
            output.End("incomplete");
            stored.Body = stored.Body with { Status = "cancelled", Output = [.. output.Items] };
        }
        catch (Exception e)
        {
            // Nobody awaits this task; who asks for the response must hear of it.
            stored.Body = stored.Body with { Status = "failed", Error = new ResponseError("server_error", e.Message) };
        }
        finally
        {
            stored.End();
        }
    }

    private ResponseBody Begin(ResponsesRequest body, OpenAIPlan plan, bool isBackground)
    {
        SamplingParams sampling = plan.Items[0].Request.Sampling;
        return new ResponseBody
        {
            Id = plan.Id,
            CreatedAt = ServingContext.UnixTime(),
            Status = isBackground ? "queued" : "in_progress",
            Background = isBackground,
            Instructions = body.Instructions,
            MaxOutputTokens = body.MaxOutputTokens,
            Model = body.Model ?? serving.Engine.Info.ModelName,
            PreviousResponseId = body.PreviousResponseId,
            Reasoning = body.Reasoning,
            Store = body.Store ?? true,
            Temperature = sampling.Temperature,
            TopP = sampling.TopP,
            Text = body.Text is { Format: not null } ? body.Text : new ResponsesText { Format = new ResponsesTextFormat { Type = "text" } },
            User = body.User,
            Metadata = body.Metadata ?? [],
        };
    }

    private static JsonElement Conversation(ResponsesRequest body, StoredResponse? previous, JsonArray input)
    {
        var messages = new JsonArray();
        if (body.Instructions is { Length: > 0 } instructions) messages.Add((JsonNode)new JsonObject { ["role"] = "system", ["content"] = instructions });
        previous?.AddTo(messages);
        foreach (JsonNode? message in input) messages.Add(message?.DeepClone());
        using JsonDocument document = JsonDocument.Parse(messages.ToJsonString());
        return document.RootElement.Clone();
    }

    private static string IdOf(HttpContext http) => Uri.UnescapeDataString((string?)http.Request.RouteValues["id"] ?? "");

    private static Task NotFoundAsync(HttpContext http, string id)
    {
        var error = new ErrorBody { Message = $"Response with id '{id}' not found.", Type = "invalid_request_error", Param = "response_id", Code = 404 };
        return Respond.JsonAsync(http, 404, error, ProtocolJsonContext.Default.ErrorBody);
    }
}
