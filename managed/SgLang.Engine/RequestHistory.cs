namespace SgLang.Engine;

/// <summary>The latest requests, in order of submission; older ones are forgotten. For callers of the engine, not for its thread.</summary>
internal sealed class RequestHistory(int capacity)
{
    private readonly Lock _gate = new();
    private readonly RequestRecord?[] _records = new RequestRecord?[capacity];
    private long _count;

    public void Add(RequestRecord record)
    {
        lock (_gate) _records[_count++ % capacity] = record;
    }

    /// <summary>The latest of that name.</summary>
    public RequestRecord? Find(string rid) => Recent(capacity).Find(record => record.Rid == rid);

    /// <summary>Newest first.</summary>
    public List<RequestRecord> Recent(int max)
    {
        var recent = new List<RequestRecord>();
        lock (_gate)
            for (long i = _count - 1; i >= Math.Max(0, _count - capacity) && recent.Count < max; i--) recent.Add(_records[i % capacity]!);
        return recent;
    }
}
