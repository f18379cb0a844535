using System.Text.Json.Nodes;
using SgLang.Bench.Datasets;
using SgLang.Bench.Load;

namespace SgLang.Bench.Serving;

/// <summary>Goes on with conversations of several turns: each real answer is appended before the user's next message. Every turn is a record.</summary>
/// <param name="request">The bytes of a row, whose adapter is that of the data set's row with this number.</param>
internal sealed class Conversation(Dataset dataset, Func<PromptRow, int, LoadRequest> request)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<int, (JsonArray Messages, int Turn)> _open = [];
    private readonly List<RequestRecord> _later = [];

    public bool HasLaterTurns { get; } = dataset.Rows.Any(row => row.LaterTurns.Count > 0);
    public int NumRequests { get; } = dataset.Rows.Sum(row => 1 + row.LaterTurns.Count);
    public IReadOnlyList<RequestRecord> LaterRecords => _later;

    /// <summary>The next turn after a successful one; null after the last.</summary>
    public (LoadRequest Request, RequestRecord Record)? Next(RequestRecord answered)
    {
        PromptRow row = dataset.Rows[answered.Index];
        lock (_gate)
        {
            (JsonArray messages, int turn) = _open.TryGetValue(answered.Index, out var state)
                ? state
                : ((JsonArray?)row.Messages?.DeepClone() ?? PromptRow.FromUser(row.Text!), 0);
            if (turn >= row.LaterTurns.Count) return null;
            messages.Add((JsonNode)new JsonObject { ["role"] = "assistant", ["content"] = answered.Text });
            foreach (JsonNode? message in row.LaterTurns[turn]) messages.Add(message!.DeepClone());
            _open[answered.Index] = (messages, turn + 1);
            // How long the prompt has become only the server can count.
            RequestRecord record = new(answered.Index, row.OutputLength) { PlannedOutput = row.OutputLength };
            _later.Add(record);
            return (request(row with { Messages = (JsonArray)messages.DeepClone(), Text = null, Ids = null, LaterTurns = [] }, answered.Index), record);
        }
    }
}
