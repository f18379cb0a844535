using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using SgLang.Core;
using SgLang.Protocol.Json;

namespace SgLang.Protocol;

/// <summary>sampling_params of /generate. Null means the default.</summary>
public sealed record SamplingParamsBody
{
    /// <summary>Absent means 128, null as much as fits the context.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public int? MaxNewTokens { get; set; } = 128;
    public int? MinNewTokens { get; set; }
    public double? Temperature { get; set; }
    public double? TopP { get; set; }
    public int? TopK { get; set; }
    public double? MinP { get; set; }
    public double? FrequencyPenalty { get; set; }
    public double? PresencePenalty { get; set; }
    public double? RepetitionPenalty { get; set; }
    public OneOrMany<string>? Stop { get; set; }
    public OneOrMany<string>? StopRegex { get; set; }
    public OneOrMany<int>? StopTokenIds { get; set; }
    public bool? IgnoreEos { get; set; }
    public bool? SkipSpecialTokens { get; set; }
    public bool? SpacesBetweenSpecialTokens { get; set; }
    public bool? NoStopTrim { get; set; }
    public int? N { get; set; }
    public Dictionary<string, float>? LogitBias { get; set; }
    public long? SamplingSeed { get; set; }
    public int? StreamInterval { get; set; }

    /// <summary>Text of a schema, or the schema itself.</summary>
    public JsonElement? JsonSchema { get; set; }
    public string? Regex { get; set; }
    public string? Ebnf { get; set; }

    /// <summary>Text of a structural tag, or the tag itself.</summary>
    public JsonElement? StructuralTag { get; set; }

    // Not served: a value other than null is refused.
    public JsonElement? CustomParams { get; set; }

    /// <summary>Names that are no parameter, such as max_tokens. They are refused, for what was meant by them would be lost.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }

    /// <param name="vocabularySize">Bounds the keys of logit_bias.</param>
    /// <exception cref="InvalidRequestException">A parameter that there is not or that cannot be honoured, or a logit_bias key that is no token id.</exception>
    public SamplingParams ToSamplingParams(int vocabularySize)
    {
        RefuseUnsupported();
        var defaults = new SamplingParams();
        return new SamplingParams
        {
            MaxNewTokens = MaxNewTokens,
            MinNewTokens = MinNewTokens ?? defaults.MinNewTokens,
            Temperature = Temperature ?? defaults.Temperature,
            TopP = TopP ?? defaults.TopP,
            TopK = TopK ?? defaults.TopK,
            MinP = MinP ?? defaults.MinP,
            FrequencyPenalty = FrequencyPenalty ?? defaults.FrequencyPenalty,
            PresencePenalty = PresencePenalty ?? defaults.PresencePenalty,
            RepetitionPenalty = RepetitionPenalty ?? defaults.RepetitionPenalty,
            Stop = StopStrings(Stop),
            StopRegex = StopStrings(StopRegex),
            StopTokenIds = StopTokenIds?.Items ?? [],
            IgnoreEos = IgnoreEos ?? defaults.IgnoreEos,
            SkipSpecialTokens = SkipSpecialTokens ?? defaults.SkipSpecialTokens,
            SpacesBetweenSpecialTokens = SpacesBetweenSpecialTokens ?? defaults.SpacesBetweenSpecialTokens,
            NoStopTrim = NoStopTrim ?? defaults.NoStopTrim,
            N = N ?? defaults.N,
            LogitBias = LogitBiasById(LogitBias, vocabularySize),
            Seed = SamplingSeed,
            Grammar = GrammarFields.Of(JsonSchema, Regex, Ebnf, structuralTag: StructuralTag),
        };
    }

    private void RefuseUnsupported()
    {
        if (Unknown?.Keys.FirstOrDefault() is { } name)
        {
            IEnumerable<string> known = ProtocolJsonContext.Default.SamplingParamsBody.Properties.Where(property => !property.IsExtensionData).Select(property => property.Name);
            throw new InvalidRequestException($"sampling_params has no '{name}'; it may have {string.Join(", ", known)}.");
        }
        Unsupported.Refuse("custom_params", CustomParams);
        if (StreamInterval is < 1) throw new InvalidRequestException($"stream_interval must be at least 1, got {StreamInterval}.");
    }

    /// <summary>An empty stop string or pattern would match everywhere; it is dropped.</summary>
    internal static IReadOnlyList<string> StopStrings(OneOrMany<string>? stop) =>
        stop is null ? [] : [.. stop.Items.Where(s => s.Length > 0)];

    internal static IReadOnlyDictionary<int, float>? LogitBiasById(Dictionary<string, float>? bias, int vocabularySize)
    {
        if (bias is null or { Count: 0 }) return null;
        var byId = new Dictionary<int, float>(bias.Count);
        foreach ((string key, float value) in bias)
        {
            if (!int.TryParse(key, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int id))
                throw new InvalidRequestException($"logit_bias must has keys in [0, {vocabularySize - 1}], got {key}.");
            if (float.IsNaN(value)) throw new InvalidRequestException($"logit_bias[{key}] must be a number, got NaN.");
            byId[id] = value;
        }
        return byId;
    }
}

/// <summary>Parameters that are understood and not served are refused: ignoring them would change the answer silently.</summary>
internal static class Unsupported
{
    public static void Refuse(string name, JsonElement? value)
    {
        if (value is { ValueKind: not JsonValueKind.Null }) Refuse(name);
    }

    public static void Refuse(string name, bool? value)
    {
        if (value is true) Refuse(name);
    }

    private static void Refuse(string name) => throw new InvalidRequestException($"{name} is not supported by this server; remove it from the request.");
}
