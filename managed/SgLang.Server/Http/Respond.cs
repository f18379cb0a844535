using System.IO.Pipelines;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;
using SgLang.Protocol.Json;
using SgLang.Protocol.Sse;

namespace SgLang.Server.Http;

/// <summary>Writes whole answers.</summary>
internal static class Respond
{
    public static async Task JsonAsync<T>(HttpContext context, int status, T body, JsonTypeInfo<T> type)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        ResponseJson.Write(context.Response.BodyWriter, body, type);
        await context.Response.BodyWriter.FlushAsync(context.RequestAborted);
    }

    public static Task TextAsync(HttpContext context, int status, string text)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync(text, context.RequestAborted);
    }

    public static Task EmptyAsync(HttpContext context, int status)
    {
        context.Response.StatusCode = status;
        context.Response.ContentLength = 0;
        return Task.CompletedTask;
    }

    /// <summary>Begins a stream of events; nothing is sent before the first flush.</summary>
    public static SseWriter BeginEvents(HttpContext context)
    {
        context.Response.StatusCode = 200;
        context.Response.ContentType = SseWriter.ContentType;
        context.Response.Headers.CacheControl = "no-cache";
        return new SseWriter(context.Response.BodyWriter);
    }

    /// <summary>Sends what was written. A client that reads slowly holds the caller here; one that is gone cancels it.</summary>
    public static ValueTask FlushAsync(HttpContext context) => FlushAsync(context.Response.BodyWriter, context.RequestAborted);

    /// <inheritdoc cref="FlushAsync(HttpContext)"/>
    /// <param name="body">The response's body, and <paramref name="aborted"/> its request's end: a stream of many events asks for them once.</param>
    public static ValueTask FlushAsync(PipeWriter body, CancellationToken aborted)
    {
        ValueTask<FlushResult> flush = body.FlushAsync(aborted);
        if (!flush.IsCompletedSuccessfully) return Wait(flush);
        _ = flush.Result;
        return ValueTask.CompletedTask;

        static async ValueTask Wait(ValueTask<FlushResult> flush) => await flush;
    }
}
