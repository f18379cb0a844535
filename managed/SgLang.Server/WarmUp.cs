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
        (string path, string body) = Request(serving);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(serving.Options.WarmupTimeout);
        // It calls itself: the name in its certificate need not be that of the loopback address.
        using var handler = new HttpClientHandler { ServerCertificateCustomValidationCallback = (_, _, _, _) => true };
        using var client = new HttpClient(handler) { BaseAddress = address, Timeout = Timeout.InfiniteTimeSpan };
        if (serving.Options.ApiKey is { } key) client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        try
        {
            using var content = new StringContent(body, Encoding.UTF8, "application/json");
            using HttpResponseMessage answer = await client.PostAsync(path, content, limit.Token);
            string text = await answer.Content.ReadAsStringAsync(limit.Token);
            if (!answer.IsSuccessStatusCode) throw new ServerStartException($"The warm-up request was answered with {(int)answer.StatusCode}: {text}");
            if (!IsAnswered(serving, text)) throw new ServerStartException($"The warm-up request brought nothing: {text}");
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
    private static (string Path, string Body) Request(ServingContext serving)
    {
        int vocabulary = serving.Engine.Info.VocabularySize;
        OneOrMany<string>? text = serving.Engine.Tokenizer is null ? null : (OneOrMany<string>)Prompt;
        OneOrMany<int[]>? ids = serving.Engine.Tokenizer is null ? new OneOrMany<int[]>([[10 % vocabulary, 11 % vocabulary, 12 % vocabulary]], false) : null;
        if (serving.Options.IsEmbedding)
            return ("/encode", ResponseJson.ToText(new EncodeRequest { Text = text, InputIds = ids, LogMetrics = false, NoLogs = true }, ProtocolJsonContext.Default.EncodeRequest));
        var sampling = new SamplingParamsBody { Temperature = 0, MaxNewTokens = 8 };
        var request = new GenerateRequest { Text = text, InputIds = ids, SamplingParams = sampling, LogMetrics = false, NoLogs = true };
        return ("/generate", ResponseJson.ToText(request, ProtocolJsonContext.Default.GenerateRequest));
    }

    private static bool IsAnswered(ServingContext serving, string text) => serving.Options.IsEmbedding
        ? JsonSerializer.Deserialize(text, ProtocolJsonContext.Default.EncodeResponse) is { Embedding.Count: > 0 }
        : JsonSerializer.Deserialize(text, ProtocolJsonContext.Default.GenerateResponse) is { OutputIds.Count: > 0 };
}
