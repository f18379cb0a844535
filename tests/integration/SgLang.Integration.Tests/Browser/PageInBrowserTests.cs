using System.Text.Json.Nodes;
using SgLang.Server;

namespace SgLang.Integration.Tests.Browser;

/// <summary>The page at / as people see it: a real browser runs its scripts against a real server.</summary>
public sealed class PageInBrowserTests(DemoServer demo)
{
    /// <summary>Where the picture of the documentation is written to, when it is to be made anew.</summary>
    private static string? PicturePath => Environment.GetEnvironmentVariable("SGL_PAGE_PICTURE");

    private static async Task<Chromium> OpenAsync(ServerHost host)
    {
        Assert.SkipWhen(Chromium.Path is null, "no chromium is installed: apt-get install chromium, or name one by SGL_CHROMIUM");
        Chromium browser = await Chromium.StartAsync(1360, 1160);
        await browser.OpenAsync(host.Address);
        await browser.UntilAsync("location.protocol === 'http:' && document.readyState === 'complete'");
        return browser;
    }

    /// <summary>Requests of several sizes until it is cancelled.</summary>
    private async Task LoadAsync(CancellationToken cancellation)
    {
        var random = new Random(1);
        try
        {
            while (true)
            {
                string body = $$"""{"text":"The capital city of France is","sampling_params":{"temperature":0.8,"max_new_tokens":{{random.Next(20, 120)}},"ignore_eos":true},"stream":true}""";
                using HttpResponseMessage response = await demo.Client.PostAsync("/generate", DemoServer.Json(body), cancellation);
                await response.Content.ReadAsStringAsync(cancellation);
            }
        }
        catch (OperationCanceledException)
        {
        }
    }

    [Fact]
    public async Task It_shows_the_load_answers_in_the_chat_profiles_and_asks_no_other_host()
    {
        string traces = Directory.CreateTempSubdirectory("sgl-page-traces").FullName;
        await using ServerHost host = await demo.StartHostAsync(new ServerOptions { ProfileOutputRoot = traces });
        await using Chromium browser = await OpenAsync(host);
        using var stop = new CancellationTokenSource();
        Task[] load = [.. Enumerable.Range(0, 3).Select(_ => LoadAsync(stop.Token))];

        // It loads: the server's status, its model, six charts.
        await browser.UntilAsync("document.getElementById('status').textContent === 'ready'");
        Assert.Contains(DemoServer.ModelName, (string?)await browser.EvaluateAsync("document.getElementById('model').textContent"));
        Assert.Equal(6, (int)(await browser.EvaluateAsync("document.getElementById('charts').children.length"))!);

        // Tiles and charts move while there is load; requests are listed.
        await browser.UntilAsync("last !== null && last.running > 0");
        await browser.UntilAsync("last.generated_tokens > 0 && Number(document.querySelector('#tiles .tile b').textContent) > 0");
        string before = (string)(await browser.EvaluateAsync(Charts))!;
        await browser.UntilAsync($"{Charts} !== {JsonValue.Create(before).ToJsonString()}");
        await browser.UntilAsync("document.getElementById('rows').rows.length > 3");

        // A request's time line opens.
        await browser.EvaluateAsync("document.getElementById('rows').rows[2].click()");
        await browser.UntilAsync("document.querySelectorAll('#report .bar').length === 2 && document.querySelectorAll('#report li').length > 2");

        // The chat answers.
        await browser.EvaluateAsync("by('max-tokens').value = 40; by('temperature').value = 0; by('prompt').value = 'Hello, world!'; by('ask').requestSubmit()");
        await browser.UntilAsync("/\\d+ tokens/.test(document.querySelector('.message.assistant small')?.textContent ?? '')");
        JsonNode answer = await demo.PostOkAsync("/v1/chat/completions", """{"messages":[{"role":"user","content":"Hello, world!"}],"max_tokens":40,"temperature":0}""");
        Assert.Equal((string?)answer["choices"]![0]!["message"]!["content"], (string?)await browser.EvaluateAsync("document.querySelector('.message.assistant span').textContent"));

        // The button records a profile, whose file is there.
        await browser.EvaluateAsync("by('profile').click()");
        await browser.UntilAsync("by('profile-state').textContent.startsWith('profile')");
        string state = (string)(await browser.EvaluateAsync("by('profile-state').textContent"))!;
        Assert.Contains(".trace.json.gz", state);
        Assert.NotEmpty(Directory.GetFiles(traces, "*.trace.json.gz", SearchOption.AllDirectories));

        if (PicturePath is { } picture)
        {
            // Charts worth a picture.
            await Task.Delay(TimeSpan.FromSeconds(75));
            await File.WriteAllBytesAsync(picture, await browser.ScreenshotAsync());
        }
        await stop.CancelAsync();
        await Task.WhenAll(load);
        Assert.DoesNotContain(browser.Errors, error => !error.Contains("favicon"));
        Assert.All(browser.Requested, address => Assert.True(address.StartsWith(host.Address.ToString(), StringComparison.Ordinal) || address == "about:blank", address));
        Assert.Contains(browser.Requested, address => address.EndsWith("/stats", StringComparison.Ordinal));
        Directory.Delete(traces, recursive: true);
    }

    [Fact]
    public async Task It_asks_for_a_key_and_works_with_it()
    {
        await using ServerHost host = await demo.StartHostAsync(new ServerOptions { ApiKey = "user", AdminApiKey = "admin" });
        await using Chromium browser = await OpenAsync(host);
        await browser.UntilAsync("by('key-dialog').open");
        await browser.EvaluateAsync("by('api-key').value = 'user'; by('key-dialog').querySelector('button[value=ok]').click()");
        await browser.UntilAsync("by('status').textContent === 'ready'");
        await browser.UntilAsync("by('rows').textContent.includes('administrator')");
        await browser.EvaluateAsync("by('keys').click(); by('admin-key').value = 'admin'; by('key-dialog').querySelector('button[value=ok]').click()");
        await browser.UntilAsync("!by('rows').textContent.includes('administrator')");
    }

    /// <summary>What all charts show, as one text.</summary>
    private const string Charts = "[...document.querySelectorAll('#charts canvas')].map(c => c.toDataURL()).join() + [...document.querySelectorAll('#charts svg')].map(s => s.outerHTML).join()";
}
