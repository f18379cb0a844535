using System.Text.Json;
using SgLang.Tokenization.AddedTokens;
using SgLang.Tokenization.Bpe;
using SgLang.Tokenization.PreTokenizers;

namespace SgLang.Tokenization.Loading;

/// <summary>Reads a tokenizer.json.</summary>
internal static class TokenizerJson
{
    public static TokenizerParts Read(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object)
        {
            throw new TokenizerException($"the root is {JsonReading.Kind(root)}; an object is expected");
        }

        JsonElement model = root.Required("model", "$");
        string type = model.Text("type", "model", model.Member("merges") is null ? "of no stated type" : "BPE");
        if (type != "BPE")
        {
            throw new TokenizerException($"model.type is \"{type}\"; supported: BPE (byte-level, or SentencePiece-style with byte_fallback)");
        }

        PreTokenizer? preTokenizer = PreTokenizerReader.Read(root.Member("pre_tokenizer"), out bool modelMapsBytes);
        Vocabulary vocabulary = ReadVocabulary(model);
        return new TokenizerParts
        {
            Vocabulary = vocabulary,
            Model = ReadModel(model, vocabulary, modelMapsBytes),
            AddedTokens = [.. root.Items("added_tokens", "$").Select(ReadAddedToken)],
            Normalizer = NormalizerReader.Read(root.Member("normalizer"), "normalizer"),
            PreTokenizer = preTokenizer,
            Template = PostProcessorReader.Read(root.Member("post_processor"), "post_processor"),
            Decoders = DecoderReader.Read(root.Member("decoder")),
        };
    }

    private static Vocabulary ReadVocabulary(JsonElement model)
    {
        JsonElement entries = model.Required("vocab", "model");
        if (entries.ValueKind != JsonValueKind.Object)
        {
            throw new TokenizerException($"model.vocab is {JsonReading.Kind(entries)}; an object of token to id is expected");
        }

        var ids = new Dictionary<string, int>(entries.GetPropertyCount());
        foreach (JsonProperty entry in entries.EnumerateObject())
        {
            ids[entry.Name] = CheckId(JsonReading.Integer(entry.Value, $"model.vocab[\"{entry.Name}\"]"), "model.vocab");
        }

        return new Vocabulary(ids);
    }

    private static BpeModel ReadModel(JsonElement model, Vocabulary vocabulary, bool mapsBytes)
    {
        var merges = new List<(string, string)>();
        foreach (JsonElement merge in model.Required("merges", "model").ValueKind == JsonValueKind.Array ? model.Items("merges", "model") : [])
        {
            merges.Add(ReadMerge(merge, merges.Count));
        }

        return BpeModel.FromMerges(vocabulary, merges, new BpeOptions
        {
            UnknownToken = model.Member("unk_token") is null ? null : model.Text("unk_token", "model"),
            FuseUnknown = model.Flag("fuse_unk", "model", fallback: false),
            ByteFallback = model.Flag("byte_fallback", "model", fallback: false),
            IgnoreMerges = model.Flag("ignore_merges", "model", fallback: false),
            ContinuingSubwordPrefix = model.Text("continuing_subword_prefix", "model", ""),
            EndOfWordSuffix = model.Text("end_of_word_suffix", "model", ""),
            MapsBytes = mapsBytes,
        });
    }

    /// <summary>Either "left right" or ["left", "right"].</summary>
    private static (string Left, string Right) ReadMerge(JsonElement merge, int rank)
    {
        if (merge.ValueKind == JsonValueKind.String)
        {
            string text = merge.GetString()!;
            int blank = text.IndexOf(' ', StringComparison.Ordinal);
            if (blank > 0 && blank < text.Length - 1)
            {
                return (text[..blank], text[(blank + 1)..]);
            }
        }
        else if (merge.ValueKind == JsonValueKind.Array && merge.GetArrayLength() == 2
            && merge[0].ValueKind == JsonValueKind.String && merge[1].ValueKind == JsonValueKind.String)
        {
            return (merge[0].GetString()!, merge[1].GetString()!);
        }

        throw new TokenizerException($"model.merges[{rank}] is {merge.GetRawText()}; \"left right\" or [\"left\", \"right\"] is expected");
    }

    private static AddedToken ReadAddedToken(JsonElement token, int index)
    {
        string path = $"added_tokens[{index}]";
        return ReadAddedToken(token, CheckId(token.Integer("id", path), path), path);
    }

    /// <summary>Also the form of tokenizer_config.json, where the id stands outside.</summary>
    public static AddedToken ReadAddedToken(JsonElement token, int id, string path)
    {
        bool isSpecial = token.Flag("special", path, fallback: false);
        return new AddedToken(token.Text("content", path), CheckId(id, path))
        {
            IsSpecial = isSpecial,
            StripsLeft = token.Flag("lstrip", path, fallback: false),
            StripsRight = token.Flag("rstrip", path, fallback: false),
            SingleWord = token.Flag("single_word", path, fallback: false),
            Normalized = token.Flag("normalized", path, fallback: !isSpecial),
        };
    }

    private static int CheckId(int id, string path) => id <= TokenizerParts.MaxTokenId
        ? id
        : throw new TokenizerException($"{path}: token id {id} is larger than {TokenizerParts.MaxTokenId}");
}
