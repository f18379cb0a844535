using SgLang.Tokenization.AddedTokens;
using SgLang.Tokenization.Bpe;
using SgLang.Tokenization.Decoders;
using SgLang.Tokenization.Normalizers;
using SgLang.Tokenization.PreTokenizers;

namespace SgLang.Tokenization.Loading;

/// <summary>The parts that a tokenizer's file describes.</summary>
internal sealed record TokenizerParts
{
    /// <summary>The largest token id that is accepted; tables are indexed by id.</summary>
    public const int MaxTokenId = 1 << 24;

    public required Vocabulary Vocabulary { get; init; }
    public required BpeModel Model { get; init; }
    public required IReadOnlyList<AddedToken> AddedTokens { get; init; }
    public Normalizer? Normalizer { get; init; }
    public PreTokenizer? PreTokenizer { get; init; }

    /// <summary>Ids around a sequence when special tokens are wanted.</summary>
    public required (int[] Before, int[] After) Template { get; init; }

    /// <summary>Makes the stages of one decoding.</summary>
    public required Func<IReadOnlyList<Decoder>> Decoders { get; init; }

    /// <summary>bos_token and its like where the file says them itself; tokenizer_config.json goes before.</summary>
    public IReadOnlyDictionary<string, string> SpecialTokens { get; init; } = new Dictionary<string, string>();
}
