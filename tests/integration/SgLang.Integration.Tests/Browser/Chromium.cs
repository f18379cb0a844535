using System.Diagnostics;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;

namespace SgLang.Integration.Tests.Browser;

/// <summary>A headless Chromium with one page, driven by its DevTools protocol (https://chromedevtools.github.io/devtools-protocol/).</summary>
internal sealed class Chromium : IAsyncDisposable
{
    private const string Announcement = "DevTools listening on ";
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private static readonly string[] s_places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

    private readonly Process _process;
    private readonly string _profile;
    private readonly ClientWebSocket _socket = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Dictionary<int, TaskCompletionSource<JsonNode>> _calls = [];
    private readonly Lock _gate = new();
    private readonly List<string> _requested = [];
    private readonly List<string> _errors = [];
    private Task _reading = Task.CompletedTask;
    private string? _session;
    private int _lastId;

    private Chromium(Process process, string profile)
    {
        _process = process;
        _profile = profile;
    }

    /// <summary>Null where none is installed.</summary>
    public static string? Path { get; } = Environment.GetEnvironmentVariable("SGL_CHROMIUM") is { Length: > 0 } given ? given : Array.Find(s_places, File.Exists);

    /// <summary>Every address that the page has asked for.</summary>
    public IReadOnlyList<string> Requested
    {
        get
        {
            lock (_gate) return [.. _requested];
        }
    }

    /// <summary>Errors of scripts, and what the console was told as an error.</summary>
    public IReadOnlyList<string> Errors
    {
        get
        {
            lock (_gate) return [.. _errors];
        }
    }

    public static async Task<Chromium> StartAsync(int width, int height)
    {
        string profile = Directory.CreateTempSubdirectory("sgl-chromium").FullName;
        var start = new ProcessStartInfo(Path!)
        {
            RedirectStandardError = true,
            ArgumentList =
            {
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", "--disable-component-update",
                "--disable-sync", "--metrics-recording-only", "--hide-scrollbars", $"--window-size={width},{height}", $"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank",
            },
        };
        var browser = new Chromium(Process.Start(start)!, profile);
        try
        {
            await browser.ConnectAsync();
            await browser.CallAsync("Emulation.setDeviceMetricsOverride", new JsonObject { ["width"] = width, ["height"] = height, ["deviceScaleFactor"] = 1, ["mobile"] = false });
            return browser;
        }
        catch
        {
            await browser.DisposeAsync();
            throw;
        }
    }

    public Task OpenAsync(Uri address) => CallAsync("Page.navigate", new JsonObject { ["url"] = address.ToString() });

    /// <summary>The value of an expression in the page, promises awaited.</summary>
    public async Task<JsonNode?> EvaluateAsync(string expression)
    {
        JsonNode answer = await CallAsync("Runtime.evaluate", new JsonObject { ["expression"] = expression, ["returnByValue"] = true, ["awaitPromise"] = true });
        Assert.True(answer["exceptionDetails"] is null, $"{expression}: {answer["exceptionDetails"]?.ToJsonString()}");
        return answer["result"]!["value"];
    }

    /// <summary>Waits until an expression is true.</summary>
    public async Task UntilAsync(string expression)
    {
        long start = Stopwatch.GetTimestamp();
        while ((bool?)await EvaluateAsync($"Boolean({expression})") is not true)
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < s_patience, $"not within {s_patience.TotalSeconds} s: {expression}; errors: {string.Join("; ", Errors)}");
            await Task.Delay(100);
        }
    }

    public async Task<byte[]> ScreenshotAsync() => Convert.FromBase64String((string)(await CallAsync("Page.captureScreenshot", new JsonObject { ["format"] = "png" }))["data"]!);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _reading;
        _socket.Dispose();
        if (!_process.HasExited) _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        _process.Dispose();
        _stop.Dispose();
        try
        {
            Directory.Delete(_profile, recursive: true);
        }
        catch (IOException)
        {
            // A child of the browser may still be writing; the folder is a temporary one.
        }
    }

    private async Task ConnectAsync()
    {
        using var limit = new CancellationTokenSource(s_patience);
        string? address = null;
        while (address is null)
        {
            string line = await _process.StandardError.ReadLineAsync(limit.Token) ?? throw new InvalidOperationException("The browser ended without saying where it listens.");
            if (line.StartsWith(Announcement, StringComparison.Ordinal)) address = line[Announcement.Length..];
        }
        _ = _process.StandardError.ReadToEndAsync(_stop.Token);
        await _socket.ConnectAsync(new Uri(address), limit.Token);
        _reading = ReadAsync();
        JsonNode targets = await CallAsync("Target.getTargets", []);
        string page = (string)targets["targetInfos"]!.AsArray().First(target => (string?)target!["type"] == "page")!["targetId"]!;
        _session = (string)(await CallAsync("Target.attachToTarget", new JsonObject { ["targetId"] = page, ["flatten"] = true }))["sessionId"]!;
        foreach (string domain in new[] { "Page", "Runtime", "Network", "Log" }) await CallAsync($"{domain}.enable", []);
    }

    private async Task<JsonNode> CallAsync(string method, JsonObject parameters)
    {
        var completion = new TaskCompletionSource<JsonNode>(TaskCreationOptions.RunContinuationsAsynchronously);
        int id = Interlocked.Increment(ref _lastId);
        lock (_gate) _calls.Add(id, completion);
        var message = new JsonObject { ["id"] = id, ["method"] = method, ["params"] = parameters };
        if (_session is not null) message["sessionId"] = _session;
        await _socket.SendAsync(Encoding.UTF8.GetBytes(message.ToJsonString()), WebSocketMessageType.Text, endOfMessage: true, _stop.Token);
        return await completion.Task.WaitAsync(s_patience);
    }

    private async Task ReadAsync()
    {
        var message = new MemoryStream();
        var buffer = new byte[1 << 16];
        try
        {
            while (true)
            {
                ValueWebSocketReceiveResult received = await _socket.ReceiveAsync(buffer.AsMemory(), _stop.Token);
                if (received.MessageType == WebSocketMessageType.Close) return;
                message.Write(buffer, 0, received.Count);
                if (!received.EndOfMessage) continue;
                Handle(JsonNode.Parse(message.ToArray())!);
                message.SetLength(0);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or WebSocketException)
        {
            // The browser is gone, or is to go.
        }
    }

    private void Handle(JsonNode message)
    {
        lock (_gate)
        {
            if ((int?)message["id"] is { } id)
            {
                if (!_calls.Remove(id, out TaskCompletionSource<JsonNode>? call)) return;
                if (message["error"] is { } error) call.SetException(new InvalidOperationException(error.ToJsonString()));
                else call.SetResult(message["result"]!);
                return;
            }
            JsonNode? happened = message["params"];
            switch ((string?)message["method"])
            {
                case "Network.requestWillBeSent":
                    _requested.Add((string)happened!["request"]!["url"]!);
                    break;
                case "Runtime.exceptionThrown":
                    _errors.Add(happened!["exceptionDetails"]!.ToJsonString());
                    break;
                case "Log.entryAdded" when (string?)happened!["entry"]!["level"] == "error":
                    _errors.Add(happened["entry"]!.ToJsonString());
                    break;
            }
        }
    }
}
