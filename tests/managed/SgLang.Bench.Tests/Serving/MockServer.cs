using System.Collections.Concurrent;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace SgLang.Bench.Tests.Serving;

/// <summary>A server that answers as a script says, and keeps what it was asked.</summary>
internal sealed class MockServer : IAsyncDisposable
{
    private WebApplication _app = null!;
    private int _open;
    private int _mostOpen;

    public Uri Address { get; private set; } = null!;

    /// <summary>Answers of /profile_status; null: a server that has no such route.</summary>
    public Func<string>? ProfileStatus { get; set; }
    public ConcurrentQueue<(string Path, string Body)> Requests { get; } = [];
    public int MostOpen => _mostOpen;

    /// <summary>Headers of the generating requests.</summary>
    public ConcurrentQueue<Dictionary<string, string>> Headers { get; } = [];
    public string ServerInfo { get; set; } = "{}";

    /// <param name="answer">Given the path and how many generating requests came before.</param>
    public static async Task<MockServer> StartAsync(Func<HttpContext, int, Task> answer)
    {
        MockServer server = new();
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(System.Net.IPAddress.Loopback, 0));
        server._app = builder.Build();
        int count = -1;
        server._app.Run(async context =>
        {
            using StreamReader reader = new(context.Request.Body);
            server.Requests.Enqueue((context.Request.Path + context.Request.QueryString.Value, await reader.ReadToEndAsync()));
            switch (context.Request.Path.Value)
            {
                case "/" or "/v1/models":
                    await context.Response.WriteAsync("""{"object": "list", "data": [{"id": "mock", "max_model_len": 512}]}""");
                    break;
                case "/model_info":
                    await context.Response.WriteAsync($$"""{"model_path": "{{DemoModel.ModelPath}}"}""");
                    break;
                case "/profile_status":
                    string? status = server.ProfileStatus?.Invoke();
                    context.Response.StatusCode = status is null ? 404 : 200;
                    await context.Response.WriteAsync(status ?? "{}");
                    break;
                case "/server_info" or "/flush_cache" or "/reset_prefix_cache" or "/start_profile" or "/stop_profile":
                    await context.Response.WriteAsync(context.Request.Path.Value == "/server_info" ? server.ServerInfo : "{}");
                    break;
                default:
                    server.Headers.Enqueue(context.Request.Headers.ToDictionary(h => h.Key, h => h.Value.ToString()));
                    int open = Interlocked.Increment(ref server._open);
                    for (int most = server._mostOpen; open > most; most = server._mostOpen) Interlocked.CompareExchange(ref server._mostOpen, open, most);
                    try
                    {
                        await answer(context, Interlocked.Increment(ref count));
                    }
                    finally
                    {
                        Interlocked.Decrement(ref server._open);
                    }
                    break;
            }
        });
        await server._app.StartAsync();
        server.Address = new Uri(server._app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        return server;
    }

    public static async Task SayAsync(HttpContext context, params string[] events)
    {
        foreach (string data in events)
        {
            await context.Response.Body.WriteAsync(Encoding.UTF8.GetBytes($"data: {data}\n\n"));
            await context.Response.Body.FlushAsync();
        }
    }

    public static string Native(string text, int tokens) => $$$"""{"text": "{{{text}}}", "meta_info": {"finish_reason": null, "prompt_tokens": 4, "completion_tokens": {{{tokens}}}, "cached_tokens": 0}}""";

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();
}
