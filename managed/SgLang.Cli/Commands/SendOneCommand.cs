using System.CommandLine;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using SgLang.Cli.Parsing;
using SgLang.Protocol;
using SgLang.Protocol.Json;
using SgLang.Protocol.Sse;

namespace SgLang.Cli.Commands;

/// <summary>`sglang send-one`: one request to a running server, its text and how long it took.</summary>
internal static class SendOneCommand
{
    private const string JsonQuestion = "What is the capital of France, and what is its population? Answer in JSON.";

    public static Command Create(TextWriter output, TextWriter error)
    {
        var command = new Command("send-one", "Send one request to a running server and print the answer and its speed.");
        Dictionary<string, Option> options = FlagValues.Bind(command, SendOneFlags.All);
        command.SetAction((result, cancellation) => RunAsync(FlagValues.From(result, SendOneFlags.All, options), output, error, cancellation));
        return command;
    }

    internal static async Task<int> RunAsync(FlagValues flags, TextWriter output, TextWriter error, CancellationToken cancellation)
    {
        int batch = flags.Integer("--batch-size")!.Value;
        bool stream = flags.Switch("--stream");
        if (stream && batch > 1) throw new UsageException("--stream shows a single request; leave --batch-size at 1");
        string url = flags.Text("--base-url") ?? $"http://{flags.Text("--host")}:{flags.Text("--port")}";
        if (!Uri.TryCreate(url, UriKind.Absolute, out Uri? address) || address.Scheme is not ("http" or "https"))
            throw new UsageException($"--base-url: must be an http or https URL, got '{url}'");

        using var client = new HttpClient { BaseAddress = address, Timeout = Timeout.InfiniteTimeSpan };
        if (flags.Text("--api-key") is { } key) client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        using var message = new HttpRequestMessage(HttpMethod.Post, "/generate")
        {
            Content = new StringContent(ResponseJson.ToText(Body(flags, batch), ProtocolJsonContext.Default.GenerateRequest), Encoding.UTF8, "application/json"),
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
            MetaInfo? meta = stream ? await ShowStreamAsync(content, output, error, cancellation) : await ShowAsync(content, batch, output, cancellation);
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

    internal static GenerateRequest Body(FlagValues flags, int batch)
    {
        int? seed = flags.Integer("--seed");
        var request = new GenerateRequest
        {
            SamplingParams = new SamplingParamsBody
            {
                MaxNewTokens = flags.Integer("--max-new-tokens"),
                Temperature = flags.Number("--temperature"),
                FrequencyPenalty = flags.Number("--frequency-penalty"),
                PresencePenalty = flags.Number("--presence-penalty"),
                SamplingSeed = seed,
                Stop = flags.IsGiven("--stop") ? (OneOrMany<string>)flags.List("--stop") : null,
                JsonSchema = flags.Switch("--json") ? JsonDocument.Parse("""{"type":"object"}""").RootElement : null,
            },
            ReturnLogprob = flags.Switch("--return-logprob"),
            Stream = flags.Switch("--stream"),
        };
        if (flags.Integer("--random-input-len") is { } length)
        {
            var random = new Random(seed ?? 0);
            int[][] ids = new int[batch][];
            for (int i = 0; i < batch; i++)
            {
                ids[i] = new int[length];
                for (int j = 0; j < length; j++) ids[i][j] = random.Next(flags.Integer("--random-input-vocab-size")!.Value);
            }
            request.InputIds = new OneOrMany<int[]>(ids, batch > 1);
            return request;
        }
        string prompt = flags.Switch("--json") ? JsonQuestion : flags.Text("--prompt") ?? SendOneFlags.DefaultPrompt;
        string[] prompts = new string[batch];
        for (int i = 0; i < batch; i++) prompts[i] = flags.Switch("--different-prompts") ? $"Test case {i + 1}: {prompt}" : prompt;
        request.Text = new OneOrMany<string>(prompts, batch > 1);
        return request;
    }

    private static async Task<MetaInfo?> ShowAsync(Stream content, int batch, TextWriter output, CancellationToken cancellation)
    {
        GenerateResponse? first = batch == 1
            ? await JsonSerializer.DeserializeAsync(content, ProtocolJsonContext.Default.GenerateResponse, cancellation)
            : (await JsonSerializer.DeserializeAsync(content, ProtocolJsonContext.Default.ListGenerateResponse, cancellation))?.FirstOrDefault();
        if (first is null) throw new JsonException("it is empty");
        await output.WriteLineAsync(first.Text ?? string.Join(' ', first.OutputIds));
        return first.MetaInfo;
    }

    /// <summary>Prints what each event adds. Events carry the whole text, or only the new, as the server was started.</summary>
    private static async Task<MetaInfo?> ShowStreamAsync(Stream content, TextWriter output, TextWriter error, CancellationToken cancellation)
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
