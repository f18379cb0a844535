using System.Text.Json;
using System.Text.Json.Serialization;
using SgLang.Core;
using SgLang.Protocol.Json;

namespace SgLang.Protocol;

/// <summary>One answer of /generate, or one event of its stream.</summary>
public sealed record GenerateResponse
{
    /// <summary>Absent without a tokenizer.</summary>
    public string? Text { get; set; }
    public IReadOnlyList<int> OutputIds { get; set; } = [];
    public required MetaInfo MetaInfo { get; set; }

    /// <summary>Place in the batch; in the stream of a batch only.</summary>
    public int? Index { get; set; }
    public IReadOnlyList<int>? PromptTokenIds { get; set; }
}

public sealed record MetaInfo
{
    public required string Id { get; set; }

    /// <summary>Null while running.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public FinishReasonBody? FinishReason { get; set; }
    public int PromptTokens { get; set; }
    public int CompletionTokens { get; set; }
    public int CachedTokens { get; set; }
    public int ReasoningTokens { get; set; }
    public string? WeightVersion { get; set; }
    public int NumRetractions { get; set; }

    /// <summary>Seconds from submission to the last token; in the last event only.</summary>
    public double? E2eLatency { get; set; }

    /// <summary>Seconds between arrival at the scheduler and the first step; like all below up to the throughput, in the last event of a server with metrics only.</summary>
    public double? QueueTime { get; set; }

    /// <summary>Seconds since the Unix epoch: the first step that computed the prompt, and the first token.</summary>
    public double? ForwardEntryTime { get; set; }
    public double? PrefillFinishedTime { get; set; }

    /// <summary>Seconds since the Unix epoch: the HTTP request came, was given to the engine, was finished, and this event was written.</summary>
    public double? RequestReceivedTs { get; set; }
    public double? ApiServerDispatchFinishTs { get; set; }
    public double? RequestFinishedTs { get; set; }
    public double? ResponseSentToClientTs { get; set; }

    /// <summary>Tokens a second after the first.</summary>
    public double? DecodeThroughput { get; set; }
    public IReadOnlyList<LogprobEntry>? InputTokenLogprobs { get; set; }
    public IReadOnlyList<LogprobEntry>? OutputTokenLogprobs { get; set; }
    public int? OutputTokenLogprobsLength { get; set; }
    public IReadOnlyList<LogprobEntry[]?>? InputTopLogprobs { get; set; }
    public IReadOnlyList<LogprobEntry[]?>? OutputTopLogprobs { get; set; }
    public IReadOnlyList<LogprobEntry[]?>? InputTokenIdsLogprobs { get; set; }
    public IReadOnlyList<LogprobEntry[]?>? OutputTokenIdsLogprobs { get; set; }

    /// <summary>Verification steps of speculative decoding; absent without it.</summary>
    public int? SpecVerifyCt { get; set; }
}

/// <summary>[log-probability, token id, text or null].</summary>
[JsonConverter(typeof(LogprobEntryConverter))]
public readonly record struct LogprobEntry(float? Logprob, int TokenId, string? Text);

internal sealed class LogprobEntryConverter : JsonConverter<LogprobEntry>
{
    public override LogprobEntry Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType != JsonTokenType.StartArray) throw FieldTypeException.Expected("a list of log-probability, token id and text", ref reader);
        reader.Read();
        float? logprob = reader.TokenType == JsonTokenType.Null ? null : reader.GetSingle();
        reader.Read();
        int id = StrictInt32Converter.ReadValue(ref reader, "[1]");
        reader.Read();
        string? text = reader.TokenType == JsonTokenType.Null ? null : StrictStringConverter.ReadValue(ref reader, "[2]");
        reader.Read();
        return new(logprob, id, text);
    }

    public override void Write(Utf8JsonWriter writer, LogprobEntry value, JsonSerializerOptions options)
    {
        writer.WriteStartArray();
        if (value.Logprob is { } logprob && float.IsFinite(logprob)) writer.WriteNumberValue(logprob);
        else writer.WriteNullValue();
        writer.WriteNumberValue(value.TokenId);
        writer.WriteStringValue(value.Text);
        writer.WriteEndArray();
    }
}

/// <summary>finish_reason of the native API: {type: stop, matched}, {type: length, length} or {type: abort, message, status_code, err_type}.</summary>
[JsonConverter(typeof(FinishReasonBodyConverter))]
public sealed record FinishReasonBody
{
    public required string Type { get; init; }
    public IdOrText? Matched { get; init; }
    public int? Length { get; init; }
    public string? Message { get; init; }
    public int? StatusCode { get; init; }
    public string? ErrType { get; init; }

    public static FinishReasonBody From(FinishReason reason, int completionTokens) => reason.Kind switch
    {
        FinishKind.StopToken => new() { Type = "stop", Matched = reason.TokenId },
        FinishKind.StopString => new() { Type = "stop", Matched = reason.Text ?? "" },
        FinishKind.Length => new() { Type = "length", Length = completionTokens },
        _ => new()
        {
            Type = "abort",
            Message = reason.Text,
            StatusCode = reason.StatusCode == 0 ? null : reason.StatusCode,
            ErrType = reason.StatusCode == 0 ? null : ErrorTypes.ForStatus(reason.StatusCode),
        },
    };
}

internal sealed class FinishReasonBodyConverter : JsonConverter<FinishReasonBody>
{
    public override FinishReasonBody Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        using JsonDocument document = JsonDocument.ParseValue(ref reader);
        JsonElement body = document.RootElement;
        return new()
        {
            Type = body.GetProperty("type").GetString() ?? "",
            Matched = !body.TryGetProperty("matched", out JsonElement matched) ? (IdOrText?)null
                : matched.ValueKind == JsonValueKind.Number ? matched.GetInt32() : (IdOrText)(matched.GetString() ?? ""),
            Length = body.TryGetProperty("length", out JsonElement length) ? length.GetInt32() : null,
            Message = body.TryGetProperty("message", out JsonElement message) ? message.GetString() : null,
            StatusCode = body.TryGetProperty("status_code", out JsonElement status) && status.ValueKind == JsonValueKind.Number ? status.GetInt32() : null,
            ErrType = body.TryGetProperty("err_type", out JsonElement type) ? type.GetString() : null,
        };
    }

    public override void Write(Utf8JsonWriter writer, FinishReasonBody value, JsonSerializerOptions options)
    {
        writer.WriteStartObject();
        writer.WriteString("type", value.Type);
        switch (value.Type)
        {
            case "stop":
                if (value.Matched is { Text: null, Id: { } id }) writer.WriteNumber("matched", id);
                else writer.WriteString("matched", value.Matched?.Text);
                break;
            case "length":
                writer.WriteNumber("length", value.Length ?? 0);
                break;
            default:
                writer.WriteString("message", value.Message);
                if (value.StatusCode is { } status) writer.WriteNumber("status_code", status);
                else writer.WriteNull("status_code");
                writer.WriteString("err_type", value.ErrType);
                break;
        }
        writer.WriteEndObject();
    }
}
