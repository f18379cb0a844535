using System.Text.Json.Nodes;
using SgLang.Protocol;

namespace SgLang.Server.Serving;

/// <summary>A response, what it answered, and the one whose conversation it went on with.</summary>
/// <param name="input">Its own input as messages of a chat; never changed.</param>
internal sealed class StoredResponse(ResponseBody body, JsonArray input, StoredResponse? previous, CancellationTokenSource? cancellation)
{
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ResponseBody _body = body;

    /// <summary>The latest state; may be read by any thread.</summary>
    public ResponseBody Body
    {
        get => Volatile.Read(ref _body);
        set => Volatile.Write(ref _body, value);
    }

    /// <summary>Completes when a background response has ended.</summary>
    public Task Ended => _ended.Task;

    public void End() => _ended.TrySetResult();

    public bool HasEnded => Body.Status is not ("queued" or "in_progress");

    /// <summary>Ends a response that runs in the background; null for the others.</summary>
    public CancellationTokenSource? Cancellation => cancellation;

    /// <summary>The conversation up to and with this response, without instructions.</summary>
    public void AddTo(JsonArray messages)
    {
        var chain = new Stack<StoredResponse>();
        for (StoredResponse? at = this; at is not null; at = at.Previous) chain.Push(at);
        foreach (StoredResponse turn in chain)
        {
            foreach (JsonNode? message in turn.Input) messages.Add(message?.DeepClone());
            messages.Add((JsonNode)new JsonObject { ["role"] = "assistant", ["content"] = TextOf(turn.Body) });
        }
    }

    private JsonArray Input => input;

    private StoredResponse? Previous => previous;

    private static string TextOf(ResponseBody body) =>
        string.Concat(body.Output.Where(item => item.Type == "message").SelectMany(item => item.Content).Select(content => content.Text));
}
