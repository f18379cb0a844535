using SgLang.Server.Http;

namespace SgLang.Server.Tests.Http;

public class AuthenticationTests
{
    private const string User = "Bearer user";
    private const string Admin = "Bearer admin";

    /// <summary>Expected for: no header, a wrong key, the API key, the admin key.</summary>
    [Theory]
    [InlineData(null, null, "/v1/models", "+ + + +")]
    [InlineData(null, null, "/flush_cache", "+ + + +")]
    [InlineData("user", null, "/v1/models", "- - + -")]
    [InlineData("user", null, "/generate", "- - + -")]
    [InlineData("user", null, "/flush_cache", "- - + -")]
    [InlineData("user", null, "/abort_request", "- - + -")]
    [InlineData("user", "admin", "/v1/models", "- - + -")]
    [InlineData("user", "admin", "/flush_cache", "- - - +")]
    [InlineData("user", "admin", "/flush_cache/", "- - - +")]
    [InlineData("user", "admin", "/abort_request", "- - - +")]
    [InlineData("user", "admin", "/start_profile", "- - - +")]
    [InlineData("user", "admin", "/end_profile", "- - - +")]
    [InlineData(null, "admin", "/v1/models", "+ + + +")]
    [InlineData(null, "admin", "/flush_cache", "- - - +")]
    [InlineData("user", "admin", "/health", "+ + + +")]
    [InlineData("user", "admin", "/health_generate", "+ + + +")]
    [InlineData("user", "admin", "/metrics", "+ + + +")]
    [InlineData("user", "admin", "/ping", "- - + -")]
    [InlineData("user", "admin", "/", "+ + + +")]
    [InlineData("user", "admin", "/requests", "- - - +")]
    [InlineData("user", "admin", "/requests/some-rid", "- - - +")]
    public void Keys_open_what_they_should(string? apiKey, string? adminKey, string path, string expected)
    {
        var authentication = new Authentication(apiKey, adminKey);
        string seen = string.Join(' ', new[] { null, "Bearer wrong", User, Admin }.Select(header => authentication.Decide("POST", path, header) == AuthDecision.Allowed ? "+" : "-"));
        Assert.Equal(expected, seen);
    }

    [Fact]
    public void Options_never_needs_a_key()
    {
        Assert.Equal(AuthDecision.Allowed, new Authentication("user", "admin").Decide("OPTIONS", "/flush_cache", null));
    }

    [Theory]
    [InlineData("bearer user", true)]
    [InlineData("BEARER  user ", true)]
    [InlineData("Bearer user2", false)]
    [InlineData("Bearer use", false)]
    [InlineData("Bearer USER", false)]
    [InlineData("Bearer", false)]
    [InlineData("Bearer ", false)]
    [InlineData("Basic user", false)]
    [InlineData("user", false)]
    [InlineData("", false)]
    public void The_header_is_a_bearer_token(string header, bool opens)
    {
        Assert.Equal(opens ? AuthDecision.Allowed : AuthDecision.Unauthorized, new Authentication("user", null).Decide("GET", "/v1/models", header));
    }
}
