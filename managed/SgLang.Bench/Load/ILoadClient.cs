namespace SgLang.Bench.Load;

/// <summary>Sends requests whose bytes were made beforehand, and reads their answers into records.</summary>
internal interface ILoadClient : IDisposable
{
    /// <summary>Seconds that connections took to open; a copy.</summary>
    IReadOnlyList<double> ConnectTimes { get; }

    /// <summary>Opens connections before the clock starts, so that the first requests need not wait for them. Failures show when requests are sent.</summary>
    Task OpenAsync(int count, CancellationToken cancellation);

    /// <summary>
    /// Sends a request and returns; <paramref name="done"/> is called once, from any thread, when the record is complete. Whatever goes wrong is
    /// in the record.
    /// </summary>
    void Send(LoadRequest request, RequestRecord record, Action<RequestRecord> done);

    /// <summary>Ends all open requests as failures, for a run that is cancelled.</summary>
    void Abort();
}

/// <summary>A request's JSON body and the headers that only it has.</summary>
public sealed record LoadRequest(byte[] Body, IReadOnlyList<KeyValuePair<string, string>>? Headers = null)
{
    /// <summary>Head and body as one piece for the socket; made by the client before the clock starts.</summary>
    internal byte[]? Wire { get; set; }
}
