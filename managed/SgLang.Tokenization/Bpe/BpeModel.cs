using System.Buffers;
using System.Globalization;
using System.Text;
using SgLang.Tokenization.Patterns;

namespace SgLang.Tokenization.Bpe;

/// <summary>The settings of a byte-pair model, named as in a tokenizer.json.</summary>
internal sealed record BpeOptions
{
    public string? UnknownToken { get; init; }
    public bool FuseUnknown { get; init; }
    public bool ByteFallback { get; init; }

    /// <summary>A word that is itself a token is taken whole, whatever the merges would make of it.</summary>
    public bool IgnoreMerges { get; init; }

    public string ContinuingSubwordPrefix { get; init; } = "";
    public string EndOfWordSuffix { get; init; } = "";

    /// <summary>Words come as plain text and are written in the byte alphabet before lookup: a trailing ByteLevel pre-tokenizer.</summary>
    public bool MapsBytes { get; init; }
}

/// <summary>
/// Byte-pair encoding of single words. Our own rather than Microsoft.ML.Tokenizers' BpeTokenizer, which knows neither ignore_merges nor byte
/// fallback and builds a list of token strings per word; a test holds both equal where both apply. Thread safe.
/// </summary>
internal sealed class BpeModel
{
    private const int StackChars = 256;

    private readonly BpeOptions _options;
    private readonly Vocabulary _vocabulary;
    private readonly PairTable _pairs;
    private readonly int? _unknownId;
    private readonly int[]? _byteIds;
    private readonly WordCache _cache = new();

    /// <param name="vocabulary">Every symbol that a pair may merge into.</param>
    /// <param name="pairs">Which ids merge, at what rank. Lower ranks go first, the leftmost among equals.</param>
    /// <param name="options">Symbols outside the vocabulary, and words taken whole.</param>
    public BpeModel(Vocabulary vocabulary, PairTable pairs, BpeOptions options)
    {
        _options = options;
        _vocabulary = vocabulary;
        _pairs = pairs;
        if (options.UnknownToken is not null)
        {
            _unknownId = vocabulary.Find(options.UnknownToken) ?? throw new TokenizerException($"model.unk_token \"{options.UnknownToken}\" is not in model.vocab");
        }

        _byteIds = options.ByteFallback ? FindByteIds(vocabulary) : null;
    }

    /// <summary>From the merges of a tokenizer.json, in order of rank.</summary>
    public static BpeModel FromMerges(Vocabulary vocabulary, IReadOnlyList<(string Left, string Right)> merges, BpeOptions options)
    {
        var pairs = new PairTable(merges.Count);
        for (int rank = 0; rank < merges.Count; rank++)
        {
            (string left, string right) = merges[rank];
            int prefix = Math.Min(options.ContinuingSubwordPrefix.Length, right.Length);
            string merged = string.Concat(left, right.AsSpan(prefix));
            pairs.Set(IdOf(vocabulary, left, rank), IdOf(vocabulary, right, rank), rank, IdOf(vocabulary, merged, rank));
        }

        return new BpeModel(vocabulary, pairs, options);
    }

    /// <summary>Adds the ids of one word to <paramref name="output"/>.</summary>
    public void Encode(ReadOnlySpan<char> word, List<int> output)
    {
        if (word.Length == 0)
        {
            return;
        }

        if (_cache.TryGet(word, out ReadOnlySpan<int> cached))
        {
            output.AddRange(cached);
            return;
        }

        ReadOnlySpan<int> ids;
        if (_options.MapsBytes)
        {
            char[]? rented = word.Length * 3 > StackChars ? ArrayPool<char>.Shared.Rent(word.Length * 3) : null;
            Span<char> mapped = rented ?? stackalloc char[StackChars];
            ids = EncodeMapped(mapped[..ByteAlphabet.Map(word, mapped)]);
            if (rented is not null)
            {
                ArrayPool<char>.Shared.Return(rented);
            }
        }
        else
        {
            ids = EncodeMapped(word);
        }

        _cache.Put(word, ids);
        output.AddRange(ids);
    }

    private ReadOnlySpan<int> EncodeMapped(scoped ReadOnlySpan<char> word)
    {
        Merger merger = Merger.ForThisThread();
        merger.Clear();
        if (_options.IgnoreMerges && _vocabulary.TryGetId(word, out int whole))
        {
            merger.Add(whole);
            return merger.Merge(_pairs);
        }

        AddSymbols(word, merger);
        return merger.Merge(_pairs);
    }

    private void AddSymbols(scoped ReadOnlySpan<char> word, Merger merger)
    {
        // NOTE: a pending unknown symbol is not flushed by byte-fallback symbols, only by known ones: so does the reference.
        bool hasUnknown = false;
        for (int i = 0; i < word.Length;)
        {
            CodePoint.At(word, i, out int width);
            if (TrySymbol(word, i, width, out int id))
            {
                if (hasUnknown)
                {
                    merger.Add(_unknownId!.Value);
                    hasUnknown = false;
                }

                merger.Add(id);
            }
            else if (_byteIds is not null)
            {
                AddBytes(word.Slice(i, width), merger);
            }
            else if (_unknownId is not null)
            {
                if (hasUnknown && !_options.FuseUnknown)
                {
                    merger.Add(_unknownId.Value);
                }

                hasUnknown = true;
            }

            i += width;
        }

        if (hasUnknown)
        {
            merger.Add(_unknownId!.Value);
        }
    }

    private bool TrySymbol(ReadOnlySpan<char> word, int index, int width, out int id)
    {
        string prefix = index > 0 ? _options.ContinuingSubwordPrefix : "";
        string suffix = index + width == word.Length ? _options.EndOfWordSuffix : "";
        ReadOnlySpan<char> symbol = word.Slice(index, width);
        return prefix.Length + suffix.Length == 0
            ? _vocabulary.TryGetId(symbol, out id)
            : _vocabulary.TryGetId(string.Concat(prefix, symbol, suffix), out id);
    }

    private void AddBytes(ReadOnlySpan<char> symbol, Merger merger)
    {
        Span<byte> utf8 = stackalloc byte[4];
        foreach (byte value in utf8[..Encoding.UTF8.GetBytes(symbol, utf8)])
        {
            merger.Add(_byteIds![value]);
        }
    }

    private static int IdOf(Vocabulary vocabulary, string token, int rank) =>
        vocabulary.Find(token) ?? throw new TokenizerException($"model.merges[{rank}] speaks of \"{token}\", which is not in model.vocab");

    /// <summary>Null unless all 256 are there. (The reference falls back to unknown character by character; vocabularies have all bytes or none.)</summary>
    private static int[]? FindByteIds(Vocabulary vocabulary)
    {
        var ids = new int[256];
        for (int value = 0; value < 256; value++)
        {
            if (vocabulary.Find($"<0x{value.ToString("X2", CultureInfo.InvariantCulture)}>") is not { } id)
            {
                return null;
            }

            ids[value] = id;
        }

        return ids;
    }
}
