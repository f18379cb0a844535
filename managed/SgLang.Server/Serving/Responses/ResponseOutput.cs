using System.Text;
using SgLang.Protocol;
using SgLang.Server.Parsing;

namespace SgLang.Server.Serving;

/// <summary>
/// Gathers a response's output items from the pieces of its text, and tells a stream of each change. Reasoning, where there is any, is an
/// item before the message.
/// </summary>
/// <param name="send">Takes the events in order; null where nobody listens.</param>
internal sealed class ResponseOutput(Action<ResponseEvent>? send)
{
    private readonly List<ResponseItem> _done = [];
    private readonly StringBuilder _text = new();
    private readonly List<ChatTokenLogprob> _logprobs = [];
    private ResponseItem? _open;
    private int _sequence;

    /// <summary>Finished items, and the open one as far as it has come.</summary>
    public IReadOnlyList<ResponseItem> Items => _open is null ? _done : [.. _done, Filled("in_progress")];

    public void Begin(ResponseBody body)
    {
        Send(new ResponseEvent { Type = "response.created", SequenceNumber = 0, Response = body });
        Send(new ResponseEvent { Type = "response.in_progress", SequenceNumber = 0, Response = body });
    }

    /// <param name="logprobs">Of the tokens of the whole piece of the stream; null where not asked for.</param>
    public void Append(ParsedPart part, IReadOnlyList<ChatTokenLogprob>? logprobs)
    {
        bool isReasoning = part.Kind == ParsedKind.Reasoning;
        if (_open is null || _open.Type == "reasoning" != isReasoning)
        {
            Close("completed");
            Open(isReasoning);
        }
        _text.Append(part.Text);
        if (!isReasoning && logprobs is not null) _logprobs.AddRange(logprobs);
        Send(At(isReasoning ? "response.reasoning_text.delta" : "response.output_text.delta") with { Delta = part.Text, Logprobs = isReasoning ? null : logprobs ?? [] });
    }

    /// <summary>Closes what is open. A response that ends well has a message, if an empty one.</summary>
    public void End(string status)
    {
        if (_open?.Type != "message" && status == "completed")
        {
            Close(status);
            Open(isReasoning: false);
        }
        Close(status);
    }

    /// <summary>The last event. The API has none for a response that was cancelled.</summary>
    public void Finish(ResponseBody body) =>
        Send(new ResponseEvent { Type = body.Status == "cancelled" ? "response.incomplete" : $"response.{body.Status}", SequenceNumber = 0, Response = body });

    private void Open(bool isReasoning)
    {
        _open = new ResponseItem
        {
            Id = $"{(isReasoning ? "rs" : "msg")}_{Guid.NewGuid():N}",
            Type = isReasoning ? "reasoning" : "message",
            Status = "in_progress",
            Role = isReasoning ? null : "assistant",
            Summary = isReasoning ? [] : null,
        };
        Send(new ResponseEvent { Type = "response.output_item.added", SequenceNumber = 0, OutputIndex = _done.Count, Item = _open });
        Send(At("response.content_part.added") with { Part = Content() });
    }

    private void Close(string status)
    {
        if (_open is null) return;
        ResponseItem item = Filled(status);
        bool isReasoning = item.Type == "reasoning";
        Send(At(isReasoning ? "response.reasoning_text.done" : "response.output_text.done") with { Text = _text.ToString(), Logprobs = isReasoning ? null : [.. _logprobs] });
        Send(At("response.content_part.done") with { Part = item.Content[0] });
        Send(new ResponseEvent { Type = "response.output_item.done", SequenceNumber = 0, OutputIndex = _done.Count, Item = item });
        _done.Add(item);
        _open = null;
        _text.Clear();
        _logprobs.Clear();
    }

    private ResponseItem Filled(string status) => _open! with { Status = status, Content = [Content()] };

    private ResponseContent Content() => _open!.Type == "reasoning"
        ? new ResponseContent { Type = "reasoning_text", Text = _text.ToString() }
        : new ResponseContent { Type = "output_text", Text = _text.ToString(), Annotations = [], Logprobs = [.. _logprobs] };

    private ResponseEvent At(string type) => new() { Type = type, SequenceNumber = 0, ItemId = _open!.Id, OutputIndex = _done.Count, ContentIndex = 0 };

    private void Send(ResponseEvent happened) => send?.Invoke(happened with { SequenceNumber = _sequence++ });
}
