using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace SgLang.Server;

/// <summary>All that a node other than 0 says over HTTP: whether it is well, at /health and /ping.</summary>
internal sealed class NodeHealth : IAsyncDisposable
{
    private readonly WebApplication _app;

    private NodeHealth(WebApplication app, Uri address)
    {
        _app = app;
        Address = address;
    }

    public Uri Address { get; }

    /// <exception cref="ServerStartException">The address is taken or does not exist.</exception>
    public static async Task<NodeHealth> StartAsync(ServerOptions options, Func<bool> isReady)
    {
        IPAddress address = await ServerHost.ResolveAsync(options.Host);
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton<IHostLifetime, ServerHost.NoSignals>();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Listen(address, options.Port);
        });
        WebApplication app = builder.Build();
        app.Run(context =>
        {
            bool isKnown = context.Request.Path.Value is "/health" or "/ping";
            context.Response.StatusCode = !isKnown ? StatusCodes.Status404NotFound : isReady() ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
            return isKnown ? Task.CompletedTask : context.Response.WriteAsync("This node works for node 0, which serves the API.");
        });
        try
        {
            await app.StartAsync();
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            await app.DisposeAsync();
            throw ServerHost.CannotListen(options, e);
        }
        return new NodeHealth(app, ServerHost.Reachable(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()));
    }

    public async ValueTask DisposeAsync()
    {
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(1));
        await _app.StopAsync(limit.Token);
        await _app.DisposeAsync();
    }
}
