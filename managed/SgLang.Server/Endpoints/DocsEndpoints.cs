using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Scalar.AspNetCore;

namespace SgLang.Server.Endpoints;

/// <summary>GET /openapi.json, and /docs, a page over it that loads nothing from other hosts.</summary>
internal static class DocsEndpoints
{
    private const string DocumentPath = "/openapi.json";

    public static void Map(WebApplication app)
    {
        app.MapMethods(DocumentPath, ["GET"], DocumentAsync);
        app.MapScalarApiReference("/docs", options =>
        {
            options.Title = "SgLang";
            options.OpenApiRoutePattern = DocumentPath;
            options.DefaultFonts = false;
        });
    }

    private static async Task DocumentAsync(HttpContext http)
    {
        http.Response.ContentType = "application/json";
        await using Stream document = typeof(DocsEndpoints).Assembly.GetManifestResourceStream("openapi.json")!;
        await document.CopyToAsync(http.Response.Body, http.RequestAborted);
    }
}
