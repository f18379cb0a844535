using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using SgLang.Protocol;

namespace SgLang.Server.Http;

internal enum AuthDecision
{
    Allowed,
    Unauthorized,
    Forbidden,
}

/// <summary>Who may call what: <c>Authorization: Bearer KEY</c>, with a key for everything and optionally another for administration.</summary>
internal sealed class Authentication(string? apiKey, string? adminApiKey)
{
    /// <summary>These take the administrator's key where there is one, else the API key, else none.</summary>
    private static readonly HashSet<string> s_adminPaths = new(StringComparer.OrdinalIgnoreCase)
    {
        "/requests", "/flush_cache", "/abort_request", "/start_profile", "/stop_profile", "/end_profile", "/profile_status", "/cancel_profile", "/profile_list", "/profile_clock", "/dump_flight_record",
        "/pause_generation", "/continue_generation",
        "/set_internal_state", "/configure_logging", "/slow_down", "/update_weights_from_disk", "/release_memory_occupation",
        "/resume_memory_occupation", "/start_expert_distribution_record", "/stop_expert_distribution_record", "/dump_expert_distribution_record",
    };

    private const string RequestsPrefix = "/requests/";
    private const string DownloadPrefix = "/profile_download/";
    private const string Scheme = "Bearer ";

    public AuthDecision Decide(string method, string path, string? authorization)
    {
        if (HttpMethods.IsOptions(method) || path.StartsWith("/health", StringComparison.Ordinal) || path.StartsWith("/metrics", StringComparison.Ordinal))
            return AuthDecision.Allowed;
        if (path == "/") return AuthDecision.Allowed; // the page asks for the key itself
        bool isAdmin = s_adminPaths.Contains(path.TrimEnd('/')) || path.StartsWith(DownloadPrefix, StringComparison.OrdinalIgnoreCase)
            || path.StartsWith(RequestsPrefix, StringComparison.OrdinalIgnoreCase);
        string? wanted = isAdmin ? adminApiKey ?? apiKey : apiKey;
        if (wanted is null) return AuthDecision.Allowed;
        bool given = authorization is not null && authorization.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase);
        return given && SameKey(authorization![Scheme.Length..].Trim(), wanted) ? AuthDecision.Allowed : AuthDecision.Unauthorized;
    }

    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        switch (Decide(context.Request.Method, context.Request.Path.Value ?? "/", context.Request.Headers.Authorization))
        {
            case AuthDecision.Unauthorized:
                context.Response.Headers.WWWAuthenticate = "Bearer";
                await Respond.JsonAsync(context, 401, new AuthErrorBody("Unauthorized"), ProtocolJsonContext.Default.AuthErrorBody);
                return;
            case AuthDecision.Forbidden:
                await Respond.JsonAsync(context, 403, new AuthErrorBody("Forbidden"), ProtocolJsonContext.Default.AuthErrorBody);
                return;
            default:
                await next(context);
                return;
        }
    }

    /// <summary>Compares digests, so that neither content nor length shows in the time taken.</summary>
    private static bool SameKey(string given, string wanted) =>
        CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(given)), SHA256.HashData(Encoding.UTF8.GetBytes(wanted)));
}
