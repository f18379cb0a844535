using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using SgLang.Server;

namespace SgLang.Integration.Tests;

/// <summary>What browsers and operators need of the port: documents, origins, TLS, health.</summary>
public class WebTests(DemoServer demo)
{
    [Fact]
    public async Task The_document_names_only_routes_that_exist_and_its_references_resolve()
    {
        JsonNode document = await demo.GetOkAsync("/openapi.json");
        foreach ((string path, JsonNode? methods) in document["paths"]!.AsObject())
        {
            foreach ((string method, _) in methods!.AsObject())
            {
                if (path == "/metrics") continue;
                using var request = new HttpRequestMessage(new HttpMethod(method.ToUpperInvariant()), path);
                if (method == "post") request.Content = DemoServer.Json("{\"rid\":\"nobody\"}");
                using HttpResponseMessage answer = await demo.Client.SendAsync(request);
                Assert.False(answer.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.MethodNotAllowed, $"{method} {path}: {answer.StatusCode}");
            }
        }
        await demo.Client.PostAsync("/stop_profile", null);
        string text = document.ToJsonString();
        foreach (System.Text.RegularExpressions.Match reference in System.Text.RegularExpressions.Regex.Matches(text, "#/components/schemas/(\\w+)"))
            Assert.NotNull(document["components"]!["schemas"]![reference.Groups[1].Value]);
    }

    [Fact]
    public async Task The_docs_page_shows_the_document_and_loads_nothing_from_elsewhere()
    {
        string page = await demo.Client.GetStringAsync("/docs/");
        Assert.Contains("openapi.json", page);
        Assert.DoesNotContain("src=\"http", page);
        Assert.DoesNotContain("cdn.", page);
        foreach (System.Text.RegularExpressions.Match script in System.Text.RegularExpressions.Regex.Matches(page, "src=\"([^\"]+)\""))
        {
            using HttpResponseMessage answer = await demo.Client.GetAsync(new Uri(new Uri(demo.Host.Address, "/docs/"), script.Groups[1].Value));
            Assert.True(answer.IsSuccessStatusCode, $"{script.Groups[1].Value}: {answer.StatusCode}");
        }
    }

    [Fact]
    public async Task Pages_of_allowed_origins_may_call()
    {
        ServerHost host = await demo.StartHostAsync(new ServerOptions { CorsOrigins = ["https://app.example"], ApiKey = "key" });
        using HttpClient client = DemoServer.ClientOf(host, "key");
        using HttpResponseMessage preflight = await SendAsync(client, HttpMethod.Options, "https://app.example");
        Assert.Equal(HttpStatusCode.NoContent, preflight.StatusCode);
        Assert.Equal("https://app.example", preflight.Headers.GetValues("Access-Control-Allow-Origin").Single());
        Assert.Contains("POST", preflight.Headers.GetValues("Access-Control-Allow-Methods").Single());
        Assert.Equal("authorization", preflight.Headers.GetValues("Access-Control-Allow-Headers").Single());
        using HttpResponseMessage answer = await SendAsync(client, HttpMethod.Get, "https://app.example");
        Assert.Equal("https://app.example", answer.Headers.GetValues("Access-Control-Allow-Origin").Single());
        using HttpResponseMessage other = await SendAsync(client, HttpMethod.Get, "https://evil.example");
        Assert.False(other.Headers.Contains("Access-Control-Allow-Origin"));
        using HttpResponseMessage closed = await SendAsync(demo.Client, HttpMethod.Get, "https://app.example");
        Assert.False(closed.Headers.Contains("Access-Control-Allow-Origin"));
    }

    [Fact]
    public async Task The_port_speaks_https_with_a_certificate()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        using X509Certificate2 certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        string directory = TestDirectory.Create("sglang-tls");
        string certFile = Path.Combine(directory, "cert.pem"), keyFile = Path.Combine(directory, "key.pem");
        await File.WriteAllTextAsync(certFile, certificate.ExportCertificatePem());
        await File.WriteAllTextAsync(keyFile, key.ExportPkcs8PrivateKeyPem());
        // Its warm-up request goes through TLS as well.
        ServerHost host = await demo.StartHostAsync(new ServerOptions { SslCertFile = certFile, SslKeyFile = keyFile });
        Assert.Equal("https", host.Address.Scheme);
        using var handler = new HttpClientHandler { ServerCertificateCustomValidationCallback = (_, seen, _, _) => seen!.Thumbprint == certificate.Thumbprint };
        using var client = new HttpClient(handler) { BaseAddress = host.Address };
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/health")).StatusCode);
        await File.WriteAllTextAsync(keyFile, "no key");
        ServerStartException refused = await Assert.ThrowsAsync<ServerStartException>(() => ServerHost.CheckAddressAsync(new ServerOptions { Port = 0, SslCertFile = certFile, SslKeyFile = keyFile }));
        Assert.Contains("--ssl-certfile", refused.Message);
        refused = await Assert.ThrowsAsync<ServerStartException>(() => ServerHost.CheckAddressAsync(new ServerOptions { Port = 0, SslCertFile = certFile }));
        Assert.Contains("--ssl-certfile needs --ssl-keyfile", refused.Message);
    }

    [Fact]
    public async Task Health_does_not_wait_for_a_step()
    {
        using var stop = new CancellationTokenSource();
        Task[] load = [.. Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested) await demo.PostOkAsync("/generate", $$"""{"input_ids":[{{string.Join(',', Enumerable.Repeat("7", 900))}}],"sampling_params":{"max_new_tokens":4} }""");
        }))];
        long steps = demo.Engine.Stats.NumSteps;
        for (int i = 0; i < 20; i++) Assert.Equal(HttpStatusCode.OK, (await demo.Client.GetAsync("/health")).StatusCode);
        await stop.CancelAsync();
        await Task.WhenAll(load);
        Assert.True(demo.Engine.Stats.NumSteps > steps);
    }

    private static Task<HttpResponseMessage> SendAsync(HttpClient client, HttpMethod method, string origin)
    {
        var request = new HttpRequestMessage(method, "/v1/models");
        request.Headers.Add("Origin", origin);
        if (method == HttpMethod.Options)
        {
            request.Headers.Add("Access-Control-Request-Method", "POST");
            request.Headers.Add("Access-Control-Request-Headers", "authorization");
            request.Headers.Authorization = null;
        }
        return client.SendAsync(request);
    }
}
