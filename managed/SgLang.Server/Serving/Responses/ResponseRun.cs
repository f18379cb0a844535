using SgLang.Core;
using SgLang.Engine;
using SgLang.Protocol;
using SgLang.Server.Monitoring;
using SgLang.Server.Parsing;

namespace SgLang.Server.Serving;

/// <summary>One response under way: reads its generation to the end and keeps the stored body up to date.</summary>
internal sealed class ResponseRun(ServingContext serving, StoredResponse stored, OpenAIPlan plan, ChatForm form, GenerationGroup group, RequestObserver observer)
{
    private readonly OpenAIAnswer _answer = new(plan, plan.Items[0], serving.Engine.Tokenizer is { } tokenizer ? tokenizer.DecodeToken : null,
        form.NewReasoningCounter(serving.Engine.Tokenizer, plan.Items[0].Request.Sampling.SkipSpecialTokens));
    private readonly ChatAnswerParser _parser = form.NewParser();
    private readonly List<ParsedPart> _parts = [];

    /// <summary>
    /// Null when the generation ended; an error of the engine that came before any output is returned instead, for a real status. One that
    /// comes later ends the response as failed.
    /// </summary>
    /// <param name="begun">Before the first output.</param>
    /// <param name="progressed">After each piece.</param>
    public async Task<FinishReason?> ReadAsync(ResponseOutput output, Action? begun, Func<ValueTask>? progressed, CancellationToken cancellation)
    {
        bool hasBegun = false;
        while (await group.ReadAsync(cancellation) is { } chunk)
        {
            _answer.Add(chunk);
            observer.Chunk(chunk);
            if (chunk.Finish is { Kind: FinishKind.Abort, StatusCode: > 0 } failed && !hasBegun)
            {
                Fail(output, failed);
                return failed;
            }
            if (!hasBegun)
            {
                hasBegun = true;
                stored.Body = stored.Body with { Status = "in_progress" };
                begun?.Invoke();
                output.Begin(stored.Body);
            }
            if (_answer.HasDelta) Append(output);
            if (_answer.Finish is { } finish) End(output, finish);
            if (progressed is not null) await progressed();
        }
        return null;
    }

    private void Append(ResponseOutput output)
    {
        IReadOnlyList<ChatTokenLogprob>? logprobs = _answer.ChatLogprobs()?.Content;
        _parser.Append(_answer.TakeDelta(), _parts);
        // Scores go with the tokens, even where the text they made is held back.
        if (logprobs is not null && _parts.Count == 0) _parts.Add(new ParsedPart(ParsedKind.Content, ""));
        for (int i = 0; i < _parts.Count; i++) output.Append(_parts[i], i == _parts.Count - 1 ? logprobs : null);
        _parts.Clear();
    }

    private void End(ResponseOutput output, FinishReason finish)
    {
        _parser.End(_parts);
        foreach (ParsedPart part in _parts) output.Append(part, null);
        _parts.Clear();
        switch (finish)
        {
            case { Kind: FinishKind.Abort, StatusCode: > 0 }:
                Fail(output, finish);
                break;
            case { Kind: FinishKind.Abort }:
                output.End("incomplete");
                Settle(output, stored.Body with { Status = "cancelled" });
                break;
            case { Kind: FinishKind.Length }:
                output.End("incomplete");
                Settle(output, stored.Body with { Status = "incomplete", IncompleteDetails = new IncompleteDetails("max_output_tokens") });
                break;
            default:
                output.End("completed");
                Settle(output, stored.Body with { Status = "completed" });
                break;
        }
    }

    private void Fail(ResponseOutput output, FinishReason finish)
    {
        output.End("incomplete");
        Settle(output, stored.Body with { Status = "failed", Error = new ResponseError("server_error", finish.Text ?? "The request was aborted.") });
    }

    private void Settle(ResponseOutput output, ResponseBody body)
    {
        Usage usage = UsageCounter.Count(plan, group.Items, cacheReport: true, _answer.ReasoningTokens);
        stored.Body = body with
        {
            Output = [.. output.Items],
            Usage = new ResponseUsage
            {
                InputTokens = usage.PromptTokens,
                InputTokensDetails = new InputTokensDetails(usage.PromptTokensDetails!.CachedTokens),
                OutputTokens = usage.CompletionTokens,
                OutputTokensDetails = new OutputTokensDetails(usage.ReasoningTokens),
                TotalTokens = usage.TotalTokens,
            },
        };
        output.Finish(stored.Body);
    }
}
