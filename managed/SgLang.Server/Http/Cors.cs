using Microsoft.AspNetCore.Http;

namespace SgLang.Server.Http;

/// <summary>Tells browsers which pages may call this server. Without origins no header is sent, and browsers refuse other pages.</summary>
internal sealed class Cors(IReadOnlyList<string> origins)
{
    private readonly bool _allowsAll = origins.Contains("*");

    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        string? origin = context.Request.Headers.Origin;
        if (origins.Count == 0 || string.IsNullOrEmpty(origin)) return next(context);
        bool isAllowed = _allowsAll || origins.Contains(origin, StringComparer.OrdinalIgnoreCase);
        IHeaderDictionary headers = context.Response.Headers;
        if (!_allowsAll) headers.Vary = "Origin";
        if (isAllowed)
        {
            headers.AccessControlAllowOrigin = _allowsAll ? "*" : origin;
            headers.AccessControlExposeHeaders = RequestId.Header;
        }
        bool isPreflight = HttpMethods.IsOptions(context.Request.Method) && context.Request.Headers.ContainsKey("Access-Control-Request-Method");
        if (!isPreflight) return next(context);
        if (isAllowed)
        {
            headers.AccessControlAllowMethods = "GET, POST, PUT";
            headers.AccessControlAllowHeaders = context.Request.Headers.AccessControlRequestHeaders;
            headers.AccessControlMaxAge = "600";
        }
        context.Response.StatusCode = StatusCodes.Status204NoContent;
        return Task.CompletedTask;
    }
}
