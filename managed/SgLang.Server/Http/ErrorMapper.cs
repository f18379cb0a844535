using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using SgLang.Engine;
using SgLang.Protocol;
using SgLang.Protocol.Json;
using SgLang.Tokenization;

namespace SgLang.Server.Http;

/// <summary>The two families of error bodies.</summary>
internal enum ErrorStyle
{
    /// <summary>{"error": {"message"}} for what the sender did wrong.</summary>
    Native,

    /// <summary>{"object": "error", "message", "type", "param", "code"}.</summary>
    OpenAI,
}

/// <summary>An error as it is answered.</summary>
internal readonly record struct MappedError(int Status, string Message, string Type, bool IsNative)
{
    public ErrorBody Body => new() { Message = Message, Type = Type, Code = Status };

    public string ToJson() => IsNative
        ? ResponseJson.ToText(new NativeErrorBody(new(Message)), ProtocolJsonContext.Default.NativeErrorBody)
        : ResponseJson.ToText(Body, ProtocolJsonContext.Default.ErrorBody);
}

/// <summary>Exceptions to statuses and bodies, in one place.</summary>
internal sealed partial class ErrorMapper(ILogger log)
{
    public static MappedError Map(Exception error, ErrorStyle style) => error switch
    {
        MalformedBodyException e => new(400, e.Message, "Bad Request", false),
        InvalidRequestException or ChatTemplateException => Rejected(400, error.Message, style),
        RequestRejectedException e => Rejected(e.StatusCode, e.Message, style),
        BadHttpRequestException { StatusCode: 413 } => new(413, "The request body is too large.", "Payload Too Large", false),
        BadHttpRequestException e => new(e.StatusCode, e.Message, "Bad Request", false),
        _ => new(500, "Internal server error; the server's log has the details.", "InternalServerError", false),
    };

    /// <summary>A request that the engine refused or that ended with an error before anything was sent.</summary>
    public static MappedError Rejected(int status, string message, ErrorStyle style) => (status, style) switch
    {
        (>= 400 and < 500, ErrorStyle.Native) => new(status, message, "BadRequestError", true),
        (>= 400 and < 500, _) => new(status, message, ErrorTypes.ForStatus(status), false),
        _ => new(status, message, status.ToString(System.Globalization.CultureInfo.InvariantCulture), false),
    };

    /// <summary>Turns whatever an endpoint throws into an answer, and gives unknown paths a body.</summary>
    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        try
        {
            await next(context);
        }
        catch (Exception e) when (context.RequestAborted.IsCancellationRequested && e is OperationCanceledException or ConnectionAbortedException or IOException)
        {
            // The client is gone: nobody reads an answer.
            return;
        }
        catch (Exception e)
        {
            MappedError mapped = Map(e, StyleOf(context.Request.Path));
            if (mapped.Status >= 500 && e is not RequestRejectedException) Log.Failed(log, e, context.Request.Method, context.Request.Path);
            if (context.Response.HasStarted)
            {
                context.Abort();
                return;
            }
            context.Response.Clear();
            await WriteAsync(context, mapped);
            return;
        }
        if (!context.Response.HasStarted && context.Response.StatusCode is 404 or 405 && context.Response.ContentType is null)
        {
            string message = context.Response.StatusCode == 404 ? $"There is no {context.Request.Path} here." : $"{context.Request.Path} does not take {context.Request.Method}.";
            await WriteAsync(context, new MappedError(context.Response.StatusCode, message, context.Response.StatusCode == 404 ? "Not Found" : "Method Not Allowed", false));
        }
    }

    public static Task WriteAsync(HttpContext context, MappedError error)
    {
        context.Response.StatusCode = error.Status;
        context.Response.ContentType = "application/json";
        return context.Response.WriteAsync(error.ToJson(), context.RequestAborted);
    }

    public static ErrorStyle StyleOf(PathString path) => path.StartsWithSegments("/v1") ? ErrorStyle.OpenAI : ErrorStyle.Native;

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Error, Message = "{Method} {Path} failed")]
        public static partial void Failed(ILogger logger, Exception error, string method, string path);
    }
}
