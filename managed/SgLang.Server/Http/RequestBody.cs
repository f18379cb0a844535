using System.Buffers;
using System.IO.Pipelines;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;
using SgLang.Protocol;
using SgLang.Protocol.Json;

namespace SgLang.Server.Http;

internal static class RequestBody
{
    /// <summary>The body, once all of it is there. What the caller does with a long one, until it waits, it does as <see cref="LongWork"/>.</summary>
    /// <exception cref="MalformedBodyException">Not JSON, or a field of the wrong type.</exception>
    public static BodyRead<T> ReadAsync<T>(HttpContext context, JsonTypeInfo<T> type) where T : class
    {
        var length = new BodyRead<T>.Length();
        return new BodyRead<T>(ReadAsync(context, type, length), length);
    }

    /// <summary>As <see cref="ReadAsync{T}(HttpContext, JsonTypeInfo{T})"/>, for the OpenAI endpoints, which insist on the content type.</summary>
    public static BodyRead<T> ReadJsonTypedAsync<T>(HttpContext context, JsonTypeInfo<T> type) where T : class
    {
        string? contentType = context.Request.ContentType;
        string media = contentType?.Split(';', 2)[0].Trim() ?? "";
        if (!media.Equals("application/json", StringComparison.OrdinalIgnoreCase))
            throw new MalformedBodyException($"Content-Type must be application/json, got {(contentType is null ? "none" : $"'{contentType}'")}.");
        return ReadAsync(context, type);
    }

    private static async Task<T> ReadAsync<T>(HttpContext context, JsonTypeInfo<T> type, BodyRead<T>.Length length) where T : class
    {
        await RequestTurns.Take();
        PipeReader reader = context.Request.BodyReader;
        while (true)
        {
            ReadResult result = await reader.ReadAsync(context.RequestAborted);
            if (!result.IsCompleted)
            {
                reader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
                continue;
            }
            length.IsLong = result.Buffer.Length >= LongWork.LeastBytes;
            if (length.IsLong) await LongWork.Begin();
            try
            {
                return result.Buffer.IsSingleSegment
                    ? RequestJson.Parse(result.Buffer.FirstSpan, type)
                    : RequestJson.Parse(result.Buffer.ToArray(), type);
            }
            finally
            {
                reader.AdvanceTo(result.Buffer.End);
            }
        }
    }
}
