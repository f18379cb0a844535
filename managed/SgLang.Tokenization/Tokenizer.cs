using SgLang.Tokenization.AddedTokens;
using SgLang.Tokenization.Decoders;
using SgLang.Tokenization.Loading;
using SgLang.Tokenization.Patterns;
using SgLang.Tokenization.PreTokenizers;

namespace SgLang.Tokenization;

/// <summary>Text to ids and back, from a Hugging Face model directory. Immutable and thread safe.</summary>
public sealed class Tokenizer
{
    private const string JsonFile = "tokenizer.json";
    private const string SentencePieceFile = "tokenizer.model";

    private readonly TokenizerParts _parts;
    private readonly AddedVocabulary _added;
    private readonly TokenizerConfig _config;

    private Tokenizer(TokenizerParts parts, TokenizerConfig config)
    {
        _parts = parts;
        _config = config;
        IReadOnlyList<AddedToken> tokens = AllAddedTokens(parts, config);
        _added = new AddedVocabulary(tokens, parts.Normalizer);
        VocabularySize = Math.Max(parts.Vocabulary.Size, tokens.Count == 0 ? 0 : tokens.Max(token => token.Id) + 1);
        BosTokenId = SpecialId("bos_token");
        EosTokenId = SpecialId("eos_token");
        PadTokenId = SpecialId("pad_token");
        UnknownTokenId = SpecialId("unk_token");
        SpecialTokenIds = [.. tokens.Where(token => token.IsSpecial).Select(token => token.Id).Distinct().Order()];
    }

    /// <summary>
    /// Reads tokenizer.json, or where there is none the SentencePiece model tokenizer.model, and tokenizer_config.json. Throws
    /// <see cref="TokenizerException"/> naming the file and what is wrong.
    /// </summary>
    public static Tokenizer Load(string directory)
    {
        TokenizerConfig config = TokenizerConfig.Load(directory);
        TokenizerParts parts = ModelFile.ReadJson(Path.Combine(directory, JsonFile), TokenizerJson.Read)
            ?? SentencePieceModel.Read(Path.Combine(directory, SentencePieceFile), config)
            ?? throw new TokenizerException($"{directory} has neither {JsonFile} nor {SentencePieceFile}; a tokenizer is read from one of them");
        return new Tokenizer(parts, config);
    }

    /// <summary>Whether a model directory has a file that <see cref="Load"/> reads.</summary>
    public static bool IsIn(string directory) => File.Exists(Path.Combine(directory, JsonFile)) || File.Exists(Path.Combine(directory, SentencePieceFile));

    /// <summary>The largest token id plus one, added tokens included.</summary>
    public int VocabularySize { get; }

    public int? BosTokenId { get; }
    public int? EosTokenId { get; }
    public int? PadTokenId { get; }
    public int? UnknownTokenId { get; }

    /// <summary>Ids that skipSpecialTokens leaves out, ascending.</summary>
    public IReadOnlyList<int> SpecialTokenIds { get; }

    /// <summary>additional_special_tokens of tokenizer_config.json.</summary>
    public IReadOnlyList<string> AdditionalSpecialTokens => _config.AdditionalSpecialTokens;

    /// <summary>model_max_length of tokenizer_config.json; null when absent or absurdly large.</summary>
    public int? ModelMaxLength => _config.ModelMaxLength;

    /// <summary>
    /// Steps: added tokens are cut out and the rest is normalized; the pre-tokenizer cuts words; the model turns words into ids; the post-processor's
    /// ids go around them. A lone surrogate counts as U+FFFD.
    /// </summary>
    public int[] Encode(string text, bool addSpecialTokens)
    {
        var ids = new List<int>(text.Length / 3 + 8);
        if (addSpecialTokens)
        {
            ids.AddRange(_parts.Template.Before);
        }

        var words = new List<Piece>();
        _added.Split(CodePoint.Scrub(text), ids.Add, piece =>
        {
            if (_parts.PreTokenizer is null)
            {
                _parts.Model.Encode(piece.Span, ids);
                return;
            }

            words.Clear();
            _parts.PreTokenizer.Split(piece, words);
            foreach (Piece word in words)
            {
                _parts.Model.Encode(word.Span, ids);
            }
        });
        if (addSpecialTokens)
        {
            ids.AddRange(_parts.Template.After);
        }

        return [.. ids];
    }

    /// <summary>Ids without a token add nothing.</summary>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens)
    {
        StreamDetokenizer stream = CreateStream(skipSpecialTokens);
        foreach (int id in ids)
        {
            stream.Push(id);
        }

        return stream.Finish();
    }

    /// <summary>Text of one token alone, as log-probability listings show it.</summary>
    public string DecodeToken(int id) => Decode([id], skipSpecialTokens: false);

    public int? TokenToId(string token) => _added.Find(token) ?? _parts.Vocabulary.Find(token);

    /// <summary>The token as the vocabulary writes it (byte alphabet and word marks included); null for an id that no token has.</summary>
    public string? TokenText(int id) => _added.Token(id) ?? _parts.Vocabulary.Token(id);

    public bool IsSpecial(int id) => _added.IsSpecial(id);

    public StreamDetokenizer CreateStream(bool skipSpecialTokens) => new(this, skipSpecialTokens);

    internal IReadOnlyList<Decoder> CreateDecoders() => _parts.Decoders();

    private int? SpecialId(string name) =>
        _config.SpecialTokens.TryGetValue(name, out string? token) || _parts.SpecialTokens.TryGetValue(name, out token) ? TokenToId(token) : null;

    /// <summary>
    /// Those of the tokenizer's own file, then what tokenizer_config.json adds: its own list, and special tokens that so far are plain entries of the vocabulary.
    /// </summary>
    private static List<AddedToken> AllAddedTokens(TokenizerParts parts, TokenizerConfig config)
    {
        var tokens = new List<AddedToken>(parts.AddedTokens);
        HashSet<string> known = [.. tokens.Select(token => token.Content)];
        tokens.AddRange(config.AddedTokens.Where(token => known.Add(token.Content)));
        foreach (string token in config.SpecialTokens.Values.Concat(config.AdditionalSpecialTokens))
        {
            if (!known.Contains(token) && parts.Vocabulary.Find(token) is { } id)
            {
                known.Add(token);
                tokens.Add(new AddedToken(token, id) { IsSpecial = true });
            }
        }

        return tokens;
    }
}

public sealed class TokenizerException(string message, Exception? inner = null) : Exception(message, inner);
