using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using SgLang.Protocol;
using SgLang.Protocol.Json;

namespace SgLang.Server;

/// <summary>The first request, over HTTP like any other, so that what works afterwards is the whole way.</summary>
internal static class WarmUp
{
    private const string Prompt = "The capital city of France is";

    public static async Task RunAsync(Uri address, ServingContext serving, CancellationToken cancellation)
    {
        int vocabulary = serving.Engine.Info.VocabularySize;
        var request = new GenerateRequest
        {
            Text = serving.Engine.Tokenizer is null ? null : (OneOrMany<string>)Prompt,
            InputIds = serving.Engine.Tokenizer is null ? new OneOrMany<int[]>([[10 % vocabulary, 11 % vocabulary, 12 % vocabulary]], false) : null,
            SamplingParams = new SamplingParamsBody { Temperature = 0, MaxNewTokens = 8 },
            LogMetrics = false,
            NoLogs = true,
        };
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(serving.Options.WarmupTimeout);
        // It calls itself: the name in its certificate need not be that of the loopback address.
        using var handler = new HttpClientHandler { ServerCertificateCustomValidationCallback = (_, _, _, _) => true };
        using var client = new HttpClient(handler) { BaseAddress = address, Timeout = Timeout.InfiniteTimeSpan };
        if (serving.Options.ApiKey is { } key) client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        try
        {
            using var content = new StringContent(ResponseJson.ToText(request, ProtocolJsonContext.Default.GenerateRequest), Encoding.UTF8, "application/json");
            using HttpResponseMessage answer = await client.PostAsync("/generate", content, limit.Token);
            string body = await answer.Content.ReadAsStringAsync(limit.Token);
            if (!answer.IsSuccessStatusCode) throw new ServerStartException($"The warm-up request was answered with {(int)answer.StatusCode}: {body}");
            GenerateResponse? response = JsonSerializer.Deserialize(body, ProtocolJsonContext.Default.GenerateResponse);
            if (response is not { OutputIds.Count: > 0 }) throw new ServerStartException($"The warm-up request brought no tokens: {body}");
        }
        catch (OperationCanceledException e) when (!cancellation.IsCancellationRequested)
        {
            throw new ServerStartException($"The warm-up request was not answered within {serving.Options.WarmupTimeout.TotalSeconds:0} s (SGLANG_WARMUP_TIMEOUT).", e);
        }
        catch (HttpRequestException e)
        {
            throw new ServerStartException($"The warm-up request failed: {e.Message}", e);
        }
    }
}
