using System.Text.Json;

namespace SgLang.Bench.Load;

/// <summary>The fields of one event that matter, found in its bytes. Texts are as they stand in the JSON, escapes included, without quotes.</summary>
public ref struct AnswerEvent
{
    public ReadOnlySpan<byte> Text;
    public ReadOnlySpan<byte> ReasoningContent;
    public ReadOnlySpan<byte> Reasoning;

    /// <summary>The JSON of "error" when there is one that is not null.</summary>
    public ReadOnlySpan<byte> Error;
    public ReadOnlySpan<byte> FinishMessage;

    /// <summary>The JSON of "cached_tokens_details" when it is an object.</summary>
    public ReadOnlySpan<byte> CachedDetails;
    public int? PromptTokens;
    public int? CompletionTokens;
    public int? CachedTokens;
    public bool IsAbort;

    /// <summary>"choices" was there and empty.</summary>
    public bool HasNoChoice;

    /// <exception cref="JsonException">Not JSON.</exception>
    /// <exception cref="FormatException">Not an object.</exception>
    public static AnswerEvent Read(ReadOnlySpan<byte> json, AnswerShape shape)
    {
        var found = new AnswerEvent();
        var reader = new Utf8JsonReader(json);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) throw new FormatException("an event is not an object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("error"u8)) found.Error = Whole(ref reader, json);
            else if (shape == AnswerShape.Native && reader.ValueTextEquals("text"u8)) found.Text = String(ref reader);
            else if (shape == AnswerShape.Triton && reader.ValueTextEquals("text_output"u8)) found.Text = String(ref reader);
            else if (shape == AnswerShape.Native && reader.ValueTextEquals("meta_info"u8)) found.ReadMeta(ref reader, json);
            else if (reader.ValueTextEquals("choices"u8)) found.ReadChoices(ref reader);
            else if (reader.ValueTextEquals("usage"u8)) found.ReadUsage(ref reader);
            else Skip(ref reader);
        }
        // What follows an object is an error of the JSON.
        reader.Read();
        return found;
    }

    /// <summary>An object of numbers, for what is read once a request.</summary>
    public static Dictionary<string, long> ReadCounts(ReadOnlySpan<byte> json)
    {
        Dictionary<string, long> counts = [];
        var reader = new Utf8JsonReader(json);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!;
            reader.Read();
            if (reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out long count)) counts[name] = count;
            else reader.Skip();
        }
        return counts;
    }

    private void ReadMeta(scoped ref Utf8JsonReader reader, ReadOnlySpan<byte> json)
    {
        if (!EnterObject(ref reader)) return;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("completion_tokens"u8)) CompletionTokens = Number(ref reader);
            else if (reader.ValueTextEquals("prompt_tokens"u8)) PromptTokens = Number(ref reader);
            else if (reader.ValueTextEquals("cached_tokens"u8)) CachedTokens = Number(ref reader);
            else if (reader.ValueTextEquals("cached_tokens_details"u8)) CachedDetails = Whole(ref reader, json);
            else if (reader.ValueTextEquals("finish_reason"u8)) ReadFinish(ref reader);
            else Skip(ref reader);
        }
    }

    private void ReadFinish(scoped ref Utf8JsonReader reader)
    {
        if (!EnterObject(ref reader)) return;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("type"u8)) IsAbort = String(ref reader).SequenceEqual("abort"u8);
            else if (reader.ValueTextEquals("message"u8)) FinishMessage = String(ref reader);
            else Skip(ref reader);
        }
    }

    /// <summary>The first choice counts.</summary>
    private void ReadChoices(scoped ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartArray)
        {
            reader.Skip();
            return;
        }
        HasNoChoice = true;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            bool isFirst = HasNoChoice;
            HasNoChoice = false;
            if (!isFirst || reader.TokenType != JsonTokenType.StartObject)
            {
                reader.Skip();
                continue;
            }
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                if (reader.ValueTextEquals("text"u8)) Text = String(ref reader);
                else if (reader.ValueTextEquals("delta"u8) || reader.ValueTextEquals("message"u8)) ReadDelta(ref reader);
                else Skip(ref reader);
            }
        }
    }

    private void ReadDelta(scoped ref Utf8JsonReader reader)
    {
        if (!EnterObject(ref reader)) return;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("content"u8)) Text = String(ref reader);
            else if (reader.ValueTextEquals("reasoning_content"u8)) ReasoningContent = String(ref reader);
            else if (reader.ValueTextEquals("reasoning"u8)) Reasoning = String(ref reader);
            else Skip(ref reader);
        }
    }

    private void ReadUsage(scoped ref Utf8JsonReader reader)
    {
        if (!EnterObject(ref reader)) return;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("completion_tokens"u8)) CompletionTokens = Number(ref reader);
            else if (reader.ValueTextEquals("prompt_tokens"u8)) PromptTokens = Number(ref reader);
            else if (reader.ValueTextEquals("prompt_tokens_details"u8)) ReadPromptDetails(ref reader);
            else Skip(ref reader);
        }
    }

    private void ReadPromptDetails(scoped ref Utf8JsonReader reader)
    {
        if (!EnterObject(ref reader)) return;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("cached_tokens"u8)) CachedTokens = Number(ref reader);
            else Skip(ref reader);
        }
    }

    /// <summary>From a property's name into its object; steps over anything else.</summary>
    private static bool EnterObject(scoped ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.StartObject) return true;
        reader.Skip();
        return false;
    }

    private static ReadOnlySpan<byte> String(scoped ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.String) return reader.ValueSpan;
        reader.Skip();
        return default;
    }

    private static int? Number(scoped ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.Number) return reader.GetInt32();
        reader.Skip();
        return null;
    }

    /// <summary>The JSON of a value that is not null.</summary>
    private static ReadOnlySpan<byte> Whole(scoped ref Utf8JsonReader reader, ReadOnlySpan<byte> json)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.Null) return default;
        int start = (int)reader.TokenStartIndex;
        reader.Skip();
        return json[start..(int)reader.BytesConsumed];
    }

    private static void Skip(scoped ref Utf8JsonReader reader)
    {
        reader.Read();
        reader.Skip();
    }
}
