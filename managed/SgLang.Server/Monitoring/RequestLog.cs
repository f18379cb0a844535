using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using SgLang.Core;
using SgLang.Engine;

namespace SgLang.Server.Monitoring;

/// <summary>One line when a request comes and one when it ends, in as much detail as --log-requests-level asks for.</summary>
internal sealed partial class RequestLog(ILogger log, bool isOn, int level)
{
    private const int MaxText = 2048;

    public bool IsOn => isOn;

    /// <summary>Whether the lines show texts and ids.</summary>
    public bool ShowsText => isOn && level >= 2;

    public void Received(GenerationRequest request)
    {
        if (isOn) Log.Line(log, Receive(request, level));
    }

    public void Finished(Generation generation, FinishReason? finish, string text)
    {
        if (!isOn) return;
        var line = new StringBuilder($"Finish: rid={generation.Rid}, prompt_tokens={generation.PromptTokens}, completion_tokens={generation.CompletionTokens}, cached_tokens={generation.CachedTokens}, ");
        line.Append(CultureInfo.InvariantCulture, $"e2e_latency={generation.Elapsed.TotalSeconds:0.000}, finish_reason={Describe(finish)}");
        if (ShowsText) line.Append(", text=").Append(Quote(text, level));
        Log.Line(log, line.ToString());
    }

    internal static string Receive(GenerationRequest request, int level)
    {
        var line = new StringBuilder($"Receive: rid={request.Rid}, stream={(request.IsStreaming ? "true" : "false")}, prompt_tokens={request.InputIds.Length}");
        if (level >= 1)
        {
            SamplingParams s = request.Sampling;
            line.Append(CultureInfo.InvariantCulture, $", max_new_tokens={s.MaxNewTokens}, temperature={s.Temperature}, top_p={s.TopP}, top_k={s.TopK}, min_p={s.MinP}, ");
            line.Append(CultureInfo.InvariantCulture, $"frequency_penalty={s.FrequencyPenalty}, presence_penalty={s.PresencePenalty}, repetition_penalty={s.RepetitionPenalty}, ");
            line.Append(CultureInfo.InvariantCulture, $"min_new_tokens={s.MinNewTokens}, ignore_eos={(s.IgnoreEos ? "true" : "false")}, seed={s.Seed}, stop=[{string.Join(", ", s.Stop.Select(stop => Quote(stop, level)))}]");
        }
        if (level >= 2) line.Append(", input_ids=").Append(Cut($"[{string.Join(", ", request.InputIds.Take(level >= 3 ? int.MaxValue : MaxText))}]", level));
        return line.ToString();
    }

    internal static string Describe(FinishReason? finish) => finish switch
    {
        null => "none",
        { Kind: FinishKind.StopToken } reason => $"stop ({reason.TokenId})",
        { Kind: FinishKind.StopString } reason => $"stop ({Quote(reason.Text ?? "", 3)})",
        { Kind: FinishKind.Length } => "length",
        { } reason => $"abort ({reason.Text})",
    };

    /// <summary>Control characters are escaped: a text must not be able to write a line of its own into the log.</summary>
    private static string Quote(string text, int level) =>
        $"\"{Cut(JsonEncodedText.Encode(text, JavaScriptEncoder.UnsafeRelaxedJsonEscaping).ToString(), level)}\"";

    private static string Cut(string text, int level) => level >= 3 || text.Length <= MaxText ? text : $"{text[..(MaxText / 2)]} ... {text[^(MaxText / 2)..]}";

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Information, Message = "{Line:l}")]
        public static partial void Line(ILogger logger, string line);
    }
}
