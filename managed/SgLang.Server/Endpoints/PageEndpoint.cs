using System.Reflection;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace SgLang.Server.Endpoints;

/// <summary>
/// GET /: the page for people. One document with its style and script inside, which asks nobody but this server for anything. It holds no
/// secrets and needs no key; what it shows does.
/// </summary>
internal static class PageEndpoint
{
    private static readonly string[] s_scripts = ["charts.js", "page.js", "chat.js"];
    private static readonly Lazy<byte[]> s_page = new(Build);

    public static async Task InvokeAsync(HttpContext http)
    {
        byte[] page = s_page.Value;
        http.Response.ContentType = "text/html; charset=utf-8";
        http.Response.ContentLength = page.Length;
        http.Response.Headers.CacheControl = "no-cache";
        http.Response.Headers.ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        http.Response.Headers[HeaderNames.XContentTypeOptions] = "nosniff";
        if (!HttpMethods.IsHead(http.Request.Method)) await http.Response.BodyWriter.WriteAsync(page, http.RequestAborted);
    }

    private static byte[] Build() => Encoding.UTF8.GetBytes(Resource("index.html")
        .Replace("/*style*/", Resource("page.css"), StringComparison.Ordinal)
        .Replace("/*script*/", string.Join('\n', s_scripts.Select(Resource)), StringComparison.Ordinal));

    private static string Resource(string name)
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream($"page/{name}")!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
