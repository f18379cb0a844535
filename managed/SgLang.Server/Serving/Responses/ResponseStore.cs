using SgLang.Protocol;

namespace SgLang.Server.Serving;

/// <summary>The latest responses by id, in memory: the oldest gives way to a new one. Thread safe.</summary>
internal sealed class ResponseStore(int capacity)
{
    public const int DefaultCapacity = 1000;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, StoredResponse> _byId = new(StringComparer.Ordinal);
    private readonly Queue<string> _order = new();

    public void Add(StoredResponse response)
    {
        lock (_gate)
        {
            string id = response.Body.Id;
            if (!_byId.TryAdd(id, response)) throw new InvalidRequestException($"rid must be new: a response '{id}' is stored.");
            _order.Enqueue(id);
            // Deleted ones leave their id in the queue.
            while (_order.Count > capacity) _byId.Remove(_order.Dequeue());
        }
    }

    public StoredResponse? Find(string id)
    {
        lock (_gate) return _byId.GetValueOrDefault(id);
    }

    public bool Remove(string id)
    {
        lock (_gate) return _byId.Remove(id);
    }
}
