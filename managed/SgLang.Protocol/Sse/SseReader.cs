using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace SgLang.Protocol.Sse;

/// <summary>Reads the events that <see cref="SseWriter"/> writes.</summary>
public static class SseReader
{
    /// <summary>Payloads of the data lines up to <c>[DONE]</c>, which is not among them, or the end of the stream.</summary>
    public static async IAsyncEnumerable<string> ReadAsync(Stream stream, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        await foreach (SseItem<string> item in SseParser.Create(stream).EnumerateAsync(cancellation).ConfigureAwait(false))
        {
            if (item.Data == "[DONE]") yield break;
            yield return item.Data;
        }
    }

    /// <summary>The payloads as objects. Throws <see cref="JsonException"/> for one that is not a <typeparamref name="T"/>.</summary>
    public static async IAsyncEnumerable<T> ReadAsync<T>(Stream stream, JsonTypeInfo<T> type, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        await foreach (string data in ReadAsync(stream, cancellation).ConfigureAwait(false))
            yield return JsonSerializer.Deserialize(data, type) ?? throw new JsonException("The event's data is null.");
    }
}
