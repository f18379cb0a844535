using System.Text.Json;
using SgLang.Tokenization.AddedTokens;

namespace SgLang.Tokenization.Loading;

/// <summary>What tokenizer_config.json and special_tokens_map.json add to a tokenizer. Both files are optional.</summary>
internal sealed record TokenizerConfig
{
    /// <summary>transformers writes about 1e30 for "no limit".</summary>
    private const double LargestSaneLength = 1e9;

    private static readonly string[] s_names = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

    /// <summary>bos_token, eos_token and their like, as templates see them.</summary>
    public IReadOnlyDictionary<string, string> SpecialTokens { get; private init; } = new Dictionary<string, string>();

    public IReadOnlyList<string> AdditionalSpecialTokens { get; private init; } = [];
    public IReadOnlyList<AddedToken> AddedTokens { get; private init; } = [];
    public int? ModelMaxLength { get; private init; }

    /// <summary>add_bos_token, add_eos_token, add_prefix_space and legacy: what a tokenizer.model leaves open. Null where the file is silent.</summary>
    public bool? AddBosToken { get; private init; }

    public bool? AddEosToken { get; private init; }
    public bool? AddPrefixSpace { get; private init; }
    public bool? Legacy { get; private init; }

    /// <summary>The chat_template: of a named list the one called default; null where there is none.</summary>
    public string? ChatTemplate { get; private init; }

    public static TokenizerConfig Load(string directory)
    {
        TokenizerConfig config = ModelFile.ReadJson(Path.Combine(directory, "tokenizer_config.json"), Read) ?? new TokenizerConfig();
        if (config.SpecialTokens.Count == 0)
        {
            config = ModelFile.ReadJson(Path.Combine(directory, "special_tokens_map.json"), root => config with
            {
                SpecialTokens = ReadSpecialTokens(root),
                AdditionalSpecialTokens = ReadAdditional(root),
            }) ?? config;
        }

        return config;
    }

    private static TokenizerConfig Read(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object)
        {
            throw new TokenizerException($"the root is {JsonReading.Kind(root)}; an object is expected");
        }

        return new TokenizerConfig
        {
            SpecialTokens = ReadSpecialTokens(root),
            AdditionalSpecialTokens = ReadAdditional(root),
            AddedTokens = ReadAddedTokens(root),
            ModelMaxLength = root.Member("model_max_length") is { ValueKind: JsonValueKind.Number } length
                && length.GetDouble() is >= 1 and <= LargestSaneLength and var value ? (int)value : null,
            AddBosToken = ReadFlag(root, "add_bos_token"),
            AddEosToken = ReadFlag(root, "add_eos_token"),
            AddPrefixSpace = ReadFlag(root, "add_prefix_space"),
            Legacy = ReadFlag(root, "legacy"),
            ChatTemplate = ReadTemplate(root.Member("chat_template")),
        };
    }

    private static bool? ReadFlag(JsonElement root, string name) => root.Member(name) is null ? null : root.Flag(name, "$", fallback: false);

    private static Dictionary<string, string> ReadSpecialTokens(JsonElement root)
    {
        var tokens = new Dictionary<string, string>();
        foreach (string name in s_names)
        {
            if (Content(root.Member(name)) is { } content)
            {
                tokens[name] = content;
            }
        }

        // Named extras such as image_token. A plain list has no names and adds no variables.
        if (root.Member("extra_special_tokens") is { ValueKind: JsonValueKind.Object } extras)
        {
            foreach (JsonProperty extra in extras.EnumerateObject())
            {
                if (Content(extra.Value) is { } content)
                {
                    tokens[extra.Name] = content;
                }
            }
        }

        return tokens;
    }

    private static List<string> ReadAdditional(JsonElement root) =>
        [.. root.Items("additional_special_tokens", "$").Select(item => Content(item)).OfType<string>()];

    private static List<AddedToken> ReadAddedTokens(JsonElement root)
    {
        var tokens = new List<AddedToken>();
        if (root.Member("added_tokens_decoder") is { ValueKind: JsonValueKind.Object } entries)
        {
            foreach (JsonProperty entry in entries.EnumerateObject())
            {
                string path = $"added_tokens_decoder[\"{entry.Name}\"]";
                int id = int.TryParse(entry.Name, out int number) && number >= 0 ? number : throw new TokenizerException($"{path}: the key must be a token id");
                tokens.Add(TokenizerJson.ReadAddedToken(entry.Value, id, path));
            }
        }

        return tokens;
    }

    /// <summary>A token is a string or an object with its content.</summary>
    private static string? Content(JsonElement? token) => token switch
    {
        { ValueKind: JsonValueKind.String } text => text.GetString(),
        { ValueKind: JsonValueKind.Object } value => value.Text("content", "token"),
        _ => null,
    };

    private static string? ReadTemplate(JsonElement? template)
    {
        if (template is { ValueKind: JsonValueKind.String } text)
        {
            return text.GetString();
        }

        if (template is not { ValueKind: JsonValueKind.Array } list)
        {
            return null;
        }

        foreach (JsonElement entry in list.EnumerateArray())
        {
            if (entry.Text("name", "chat_template") == "default")
            {
                return entry.Text("template", "chat_template");
            }
        }

        return null;
    }
}
