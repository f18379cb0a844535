using SgLang.Tokenization.AddedTokens;
using SgLang.Tokenization.Bpe;
using SgLang.Tokenization.Decoders;
using SgLang.Tokenization.Normalizers;
using SgLang.Tokenization.PreTokenizers;

namespace SgLang.Tokenization.Loading;

/// <summary>
/// Reads a tokenizer.model of byte-pair kind. Two neighbours merge where their concatenation is a piece, the highest score first and the leftmost
/// among equals; around that stand the same parts that a tokenizer.json of such a model has, so that both files give the same ids.
/// </summary>
internal static class SentencePieceModel
{
    private const char Space = '\u2581';

    /// <summary>In chars. Every split of a piece is looked up, so a file could otherwise buy much time with little text.</summary>
    private const int LongestPiece = 1024;

    /// <summary>Null when there is no such file.</summary>
    public static TokenizerParts? Read(string path, TokenizerConfig config)
    {
        if (ModelFile.ReadBytes(path) is not { } bytes)
        {
            return null;
        }

        try
        {
            return Read(SentencePieceFile.Parse(bytes), config);
        }
        catch (TokenizerException e)
        {
            throw new TokenizerException($"{path}: {e.Message}", e);
        }
    }

    private static TokenizerParts Read(SentencePieceFile file, TokenizerConfig config)
    {
        Check(file);
        Vocabulary vocabulary = ReadVocabulary(file);
        bool addsPrefix = config.AddPrefixSpace ?? file.AddsDummyPrefix;
        bool isLegacy = config.Legacy ?? true;
        return new TokenizerParts
        {
            Vocabulary = vocabulary,
            Model = new BpeModel(vocabulary, ReadPairs(file, vocabulary), new BpeOptions
            {
                UnknownToken = file.Pieces[file.UnknownId].Text,
                FuseUnknown = true,
                ByteFallback = file.ByteFallback,
            }),
            AddedTokens = [.. AddedTokens(file)],
            Normalizer = ReadNormalizer(file, isLegacy, addsPrefix),
            // legacy of tokenizer_config.json: the prefix stands before every stretch between added tokens, otherwise only before the text.
            PreTokenizer = isLegacy ? null : new MetaspacePreTokenizer(Space, addsPrefix ? PrependScheme.First : PrependScheme.Never, split: false),
            Template = (Around(config.AddBosToken ?? true, file.BosId), Around(config.AddEosToken ?? false, file.EosId)),
            Decoders = () => Decoders(addsPrefix),
            SpecialTokens = SpecialTokens(file),
        };

        int[] Around(bool isWanted, int id) => isWanted && IsPiece(file, id) ? [id] : [];
    }

    private static void Check(SentencePieceFile file)
    {
        if (file.Algorithm != SentencePieceAlgorithm.Bpe)
        {
            throw new TokenizerException($"trainer_spec.model_type is {Name(file.Algorithm)}; supported: BPE");
        }

        if (file.HasCharacterMap)
        {
            throw new TokenizerException($"normalizer_spec.name is \"{file.NormalizerName}\", which rewrites characters; supported: identity");
        }

        if (file.TreatsWhitespaceAsSuffix || !file.EscapesWhitespace)
        {
            throw new TokenizerException("trainer_spec.treat_whitespace_as_suffix must be false and normalizer_spec.escape_whitespaces true");
        }

        if (!IsPiece(file, file.UnknownId))
        {
            throw new TokenizerException($"trainer_spec.unk_id is {file.UnknownId}, but there are {file.Pieces.Count} pieces");
        }

        static string Name(SentencePieceAlgorithm algorithm) => Enum.IsDefined(algorithm) ? algorithm.ToString().ToUpperInvariant() : $"{(int)algorithm}";
    }

    private static bool IsPiece(SentencePieceFile file, int id) => (uint)id < (uint)file.Pieces.Count;

    private static Vocabulary ReadVocabulary(SentencePieceFile file)
    {
        var ids = new Dictionary<string, int>(file.Pieces.Count);
        for (int id = 0; id < file.Pieces.Count; id++)
        {
            (string text, float score, PieceKind kind) = file.Pieces[id];
            if (text.Length is 0 or > LongestPiece)
            {
                throw new TokenizerException($"pieces[{id}] has {text.Length} characters; 1 to {LongestPiece} are expected");
            }

            if (float.IsNaN(score))
            {
                throw new TokenizerException($"pieces[{id}].score is not a number");
            }

            if (!Enum.IsDefined(kind))
            {
                throw new TokenizerException($"pieces[{id}].type is {(int)kind}; 1 to 6 are expected");
            }

            if (!ids.TryAdd(text, id))
            {
                throw new TokenizerException($"pieces[{id}] is \"{text}\", which pieces[{ids[text]}] is too");
            }
        }

        return new Vocabulary(ids);
    }

    /// <summary>A pair's rank counts the higher scores of the file, so equal scores share one.</summary>
    private static PairTable ReadPairs(SentencePieceFile file, Vocabulary vocabulary)
    {
        float[] scores = [.. file.Pieces.Select(piece => piece.Score).Distinct().OrderDescending()];
        Dictionary<float, int> ranks = scores.Select((score, rank) => (score, rank)).ToDictionary(entry => entry.score, entry => entry.rank);
        var merges = new List<(int Left, int Right, int Rank, int Merged)>(file.Pieces.Count * 2);
        for (int id = 0; id < file.Pieces.Count; id++)
        {
            (string text, float score, PieceKind kind) = file.Pieces[id];
            for (int split = 1; split < text.Length && kind is PieceKind.Normal or PieceKind.Unused; split++)
            {
                if (!char.IsLowSurrogate(text[split]) && vocabulary.TryGetId(text.AsSpan(0, split), out int left) && vocabulary.TryGetId(text.AsSpan(split), out int right))
                {
                    merges.Add((left, right, ranks[score], id));
                }
            }
        }

        var pairs = new PairTable(merges.Count);
        foreach ((int left, int right, int rank, int merged) in merges)
        {
            pairs.Set(left, right, rank, merged);
        }

        return pairs;
    }

    /// <summary>Control pieces are special, user-defined ones whole whatever stands around them; neither comes from merging.</summary>
    private static IEnumerable<AddedToken> AddedTokens(SentencePieceFile file)
    {
        for (int id = 0; id < file.Pieces.Count; id++)
        {
            (string text, _, PieceKind kind) = file.Pieces[id];
            if (kind is PieceKind.Control or PieceKind.Unknown or PieceKind.UserDefined)
            {
                yield return new AddedToken(text, id) { IsSpecial = kind != PieceKind.UserDefined };
            }
        }
    }

    private static SequenceNormalizer? ReadNormalizer(SentencePieceFile file, bool isLegacy, bool addsPrefix)
    {
        var stages = new List<Normalizer>();
        if (file.RemovesExtraWhitespace)
        {
            stages.Add(new ExtraSpaceNormalizer());
        }

        if (isLegacy)
        {
            if (addsPrefix)
            {
                stages.Add(new PrependNormalizer(Space.ToString()));
            }

            stages.Add(new ReplaceNormalizer(new StringDelimiter(" "), Space.ToString()));
        }

        return stages.Count == 0 ? null : new SequenceNormalizer(stages);
    }

    private static IReadOnlyList<Decoder> Decoders(bool addsPrefix)
    {
        Decoder[] common = [new ReplaceCharDecoder(Space, " "), new ByteFallbackDecoder(), new FuseDecoder()];
        return addsPrefix ? [.. common, new StripDecoder(' ', start: 1, stop: 0)] : common;
    }

    private static Dictionary<string, string> SpecialTokens(SentencePieceFile file)
    {
        (string Name, int Id)[] named = [("unk_token", file.UnknownId), ("bos_token", file.BosId), ("eos_token", file.EosId), ("pad_token", file.PadId)];
        return named.Where(token => IsPiece(file, token.Id)).ToDictionary(token => token.Name, token => file.Pieces[token.Id].Text);
    }
}
