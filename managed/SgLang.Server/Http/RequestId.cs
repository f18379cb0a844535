using Microsoft.AspNetCore.Http;

namespace SgLang.Server.Http;

/// <summary>Gives every answer an x-request-id: the client's own where it is fit to be repeated, else a new one.</summary>
internal static class RequestId
{
    public const string Header = "x-request-id";

    public static Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        string? given = context.Request.Headers[Header];
        context.Response.OnStarting(static state =>
        {
            (HttpContext http, string id) = ((HttpContext, string))state;
            http.Response.Headers[Header] = id;
            return Task.CompletedTask;
        }, (context, IsFit(given) ? given! : Guid.NewGuid().ToString("N")));
        return next(context);
    }

    internal static bool IsFit(string? id) => id is { Length: > 0 and <= 128 } && id.All(c => c is > ' ' and <= '~');
}
