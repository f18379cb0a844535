using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using SgLang.Core;
using SgLang.Engine;

namespace SgLang.Server.Monitoring;

/// <summary>Lines of the request log for people.</summary>
internal static class RequestLogText
{
    public static string Receive(GenerationRequest request, int level)
    {
        var line = new StringBuilder($"Receive: rid={request.Rid}, stream={(request.IsStreaming ? "true" : "false")}, prompt_tokens={request.InputIds.Length}");
        if (level >= 1)
        {
            SamplingParams s = request.Sampling;
            line.Append(CultureInfo.InvariantCulture, $", max_new_tokens={s.MaxNewTokens}, temperature={s.Temperature}, top_p={s.TopP}, top_k={s.TopK}, min_p={s.MinP}, ");
            line.Append(CultureInfo.InvariantCulture, $"frequency_penalty={s.FrequencyPenalty}, presence_penalty={s.PresencePenalty}, repetition_penalty={s.RepetitionPenalty}, ");
            line.Append(CultureInfo.InvariantCulture, $"min_new_tokens={s.MinNewTokens}, ignore_eos={(s.IgnoreEos ? "true" : "false")}, seed={s.Seed}, stop=[{string.Join(", ", s.Stop.Select(stop => Quote(stop, level)))}]");
        }
        if (level >= 2) line.Append(", input_ids=").Append(Cut($"[{string.Join(", ", request.InputIds.Take(level >= 3 ? int.MaxValue : RequestLog.MaxText))}]", level));
        return line.ToString();
    }

    public static string Finish(Generation generation, FinishReason? finish, string text, int level)
    {
        var line = new StringBuilder($"Finish: rid={generation.Rid}, prompt_tokens={generation.PromptTokens}, completion_tokens={generation.CompletionTokens}, cached_tokens={generation.CachedTokens}, ");
        line.Append(CultureInfo.InvariantCulture, $"e2e_latency={generation.Elapsed.TotalSeconds:0.000}, finish_reason={Describe(finish)}");
        if (level >= 2) line.Append(", text=").Append(Quote(text, level));
        return line.ToString();
    }

    public static string Describe(FinishReason? finish) => finish switch
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

    private static string Cut(string text, int level) => RequestLog.Cut(text, level);
}
