using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using SgLang.Protocol;
using SgLang.Protocol.Json;
using SgLang.Protocol.Sse;

namespace SgLang.Bench.SendOne;

/// <summary>One request to a running server, its text and how long it took (spec/benchmarks.md 8).</summary>
public sealed class SendOneClient(SendOneOptions options, TextWriter output, TextWriter error)
{
    private const string JsonQuestion = "What is the capital of France, and what is its population? Answer in JSON.";

    /// <summary>0, or 1 when the server could not be reached or refused.</summary>
    public async Task<int> RunAsync(CancellationToken cancellation = default)
    {
        Uri address = options.BaseUrl;
        using var client = new HttpClient { BaseAddress = address, Timeout = Timeout.InfiniteTimeSpan };
        if (options.ApiKey is { } key) client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        using var message = new HttpRequestMessage(HttpMethod.Post, "/generate")
        {
            Content = new StringContent(ResponseJson.ToText(Body(options), ProtocolJsonContext.Default.GenerateRequest), Encoding.UTF8, "application/json"),
        };
        try
        {
            using HttpResponseMessage answer = await client.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, cancellation);
            if (!answer.IsSuccessStatusCode)
            {
                await error.WriteLineAsync($"send-one: {address} answered {(int)answer.StatusCode}: {await answer.Content.ReadAsStringAsync(cancellation)}");
                return 1;
            }
            await using Stream content = await answer.Content.ReadAsStreamAsync(cancellation);
            MetaInfo? meta = options.Stream ? await ShowStreamAsync(content, cancellation) : await ShowAsync(content, cancellation);
            if (meta is null) return 1;
            await output.WriteLineAsync();
            await output.WriteAsync(Table(meta));
            return 0;
        }
        catch (HttpRequestException e)
        {
            await error.WriteLineAsync($"send-one: cannot reach {address}: {e.Message}. Start a server with 'sglang launch-server', or name another with --base-url.");
            return 1;
        }
        catch (JsonException e)
        {
            await error.WriteLineAsync($"send-one: the answer of {address} is not that of /generate: {e.Message}");
            return 1;
        }
    }

    internal static GenerateRequest Body(SendOneOptions options)
    {
        int batch = options.BatchSize;
        var request = new GenerateRequest
        {
            SamplingParams = new SamplingParamsBody
            {
                MaxNewTokens = options.MaxNewTokens,
                Temperature = options.Temperature,
                FrequencyPenalty = options.FrequencyPenalty,
                PresencePenalty = options.PresencePenalty,
                SamplingSeed = options.Seed,
                Stop = options.Stop.Count > 0 ? (OneOrMany<string>)options.Stop.ToArray() : null,
                JsonSchema = options.Json ? JsonDocument.Parse("""{"type":"object"}""").RootElement : null,
            },
            ReturnLogprob = options.ReturnLogprob,
            Stream = options.Stream,
        };
        if (options.RandomInputLength is { } length)
        {
            var random = new Random(options.Seed ?? 0);
            int[][] ids = new int[batch][];
            for (int i = 0; i < batch; i++)
            {
                ids[i] = new int[length];
                for (int j = 0; j < length; j++) ids[i][j] = random.Next(options.RandomInputVocabularySize);
            }
            request.InputIds = new OneOrMany<int[]>(ids, batch > 1);
            return request;
        }
        string prompt = options.Json ? JsonQuestion : options.Prompt ?? SendOneOptions.DefaultPrompt;
        string[] prompts = new string[batch];
        for (int i = 0; i < batch; i++) prompts[i] = options.DifferentPrompts ? $"Test case {i + 1}: {prompt}" : prompt;
        request.Text = new OneOrMany<string>(prompts, batch > 1);
        return request;
    }

    private async Task<MetaInfo?> ShowAsync(Stream content, CancellationToken cancellation)
    {
        GenerateResponse? first = options.BatchSize == 1
            ? await JsonSerializer.DeserializeAsync(content, ProtocolJsonContext.Default.GenerateResponse, cancellation)
            : (await JsonSerializer.DeserializeAsync(content, ProtocolJsonContext.Default.ListGenerateResponse, cancellation))?.FirstOrDefault();
        if (first is null) throw new JsonException("it is empty");
        await output.WriteLineAsync(first.Text ?? string.Join(' ', first.OutputIds));
        return first.MetaInfo;
    }

    /// <summary>Prints what each event adds. Events carry the whole text, or only the new, as the server was started.</summary>
    private async Task<MetaInfo?> ShowStreamAsync(Stream content, CancellationToken cancellation)
    {
        string shown = "";
        MetaInfo? last = null;
        await foreach (string data in SseReader.ReadAsync(content, cancellation))
        {
            using JsonDocument document = JsonDocument.Parse(data);
            if (document.RootElement.TryGetProperty("error", out JsonElement failure))
            {
                await error.WriteLineAsync($"send-one: the server ended the stream with an error: {failure.GetRawText()}");
                return null;
            }
            GenerateResponse item = document.RootElement.Deserialize(ProtocolJsonContext.Default.GenerateResponse)!;
            last = item.MetaInfo;
            string text = item.Text ?? "";
            bool isWhole = item.OutputIds.Count == item.MetaInfo.CompletionTokens && text.StartsWith(shown, StringComparison.Ordinal);
            await output.WriteAsync(isWhole ? text[shown.Length..] : text);
            await output.FlushAsync(cancellation);
            shown = isWhole ? text : shown + text;
        }
        await output.WriteLineAsync();
        return last ?? throw new JsonException("the stream is empty");
    }

    /// <summary>Latency and tokens are the server's own; the accept length is 1 without speculative decoding.</summary>
    internal static string Table(MetaInfo meta)
    {
        double latency = meta.E2eLatency ?? 0;
        int tokens = meta.CompletionTokens;
        double acceptLength = meta.SpecVerifyCt is > 0 and int steps ? (double)tokens / steps : 1;
        double speed = latency > 0 ? tokens / latency : 0;
        string[] heads = ["Latency (s)", "Tokens", "Acc Length", "Speed (token/s)"];
        string[] cells = [Fixed(latency, "0.000"), tokens.ToString(CultureInfo.InvariantCulture), Fixed(acceptLength, "0.000"), Fixed(speed, "0.00")];
        int[] widths = [.. heads.Zip(cells, (head, cell) => Math.Max(head.Length, cell.Length))];
        string rule = "+" + string.Join('+', widths.Select(width => new string('-', width + 2))) + "+\n";
        return rule + Row(heads) + rule + Row(cells) + rule;

        string Row(string[] values) => "|" + string.Join('|', values.Select((value, i) => $" {Centre(value, widths[i])} ")) + "|\n";
    }

    /// <summary>An odd space goes to the right.</summary>
    private static string Centre(string text, int width)
    {
        int left = (width - text.Length) / 2;
        return text.PadLeft(text.Length + left).PadRight(width);
    }

    private static string Fixed(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
