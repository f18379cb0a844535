using System.Globalization;
using System.Text;
using SgLang.Tokenization.Bpe;
using SgLang.Tokenization.Decoders;

namespace SgLang.Tokenization;

/// <summary>
/// What each token adds to the text, as bytes: a token may be a part of a character. Null for special tokens, for ids without a token, and for
/// tokens that add nothing.
/// </summary>
/// <param name="Later">By id.</param>
/// <param name="First">The same for the first token of a text where decoding treats it otherwise (it drops a leading blank), else null.</param>
public sealed record TokenBytes(IReadOnlyList<byte[]?> Later, IReadOnlyList<byte[]?>? First)
{
    /// <exception cref="TokenizerException">Text is not the tokens' bytes one after the other.</exception>
    public static TokenBytes Of(Tokenizer tokenizer)
    {
        IReadOnlyList<Decoders.Decoder> decoders = tokenizer.CreateDecoders();
        if (decoders is [ByteLevelDecoder]) return new TokenBytes(Each(tokenizer, (_, token) => ByteLevel(token)), null);
        foreach (Decoders.Decoder decoder in decoders)
            if (decoder is not (ByteFallbackDecoder or FuseDecoder or ReplaceDecoder or ReplaceCharDecoder or StripDecoder or MetaspaceDecoder))
                throw new TokenizerException($"the tokenizer's {decoder.GetType().Name} makes text of several tokens together, so grammars cannot be matched token by token");
        bool hasFallback = decoders.Any(decoder => decoder is ByteFallbackDecoder);
        int anchor = Anchor(tokenizer);
        string before = tokenizer.Decode([anchor], skipSpecialTokens: false);
        byte[]?[] later = Each(tokenizer, (id, token) =>
            hasFallback && FallbackByte(token) is { } value ? [value] : Encoding.UTF8.GetBytes(tokenizer.Decode([anchor, id], skipSpecialTokens: false)[before.Length..]));
        byte[]?[] first = Each(tokenizer, (id, token) =>
            hasFallback && FallbackByte(token) is { } value and >= 0x80 ? [value] : Encoding.UTF8.GetBytes(tokenizer.DecodeToken(id)));
        bool isAlike = Enumerable.Range(0, later.Length).All(id => later[id].AsSpan().SequenceEqual(first[id]));
        return new TokenBytes(later, isAlike ? null : first);
    }

    private static byte[]?[] Each(Tokenizer tokenizer, Func<int, string, byte[]> bytesOf)
    {
        byte[]?[] all = new byte[]?[tokenizer.VocabularySize];
        for (int id = 0; id < all.Length; id++)
            if (!tokenizer.IsSpecial(id) && tokenizer.TokenText(id) is { } token && bytesOf(id, token) is { Length: > 0 } bytes) all[id] = bytes;
        return all;
    }

    private static byte[] ByteLevel(string token)
    {
        byte[] bytes = new byte[token.Length];
        for (int i = 0; i < bytes.Length; i++)
        {
            int value = ByteAlphabet.ToByte(token[i]);
            // An added token with a character outside the alphabet stands for itself.
            if (value < 0) return Encoding.UTF8.GetBytes(token);
            bytes[i] = (byte)value;
        }
        return bytes;
    }

    private static byte? FallbackByte(string token) =>
        token is ['<', '0', 'x', _, _, '>'] && byte.TryParse(token.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte value) ? value : null;

    /// <summary>A plain token to put before others, so that they are not the first.</summary>
    private static int Anchor(Tokenizer tokenizer)
    {
        for (int id = 0; id < tokenizer.VocabularySize; id++)
            if (tokenizer.TokenText(id) is [>= 'a' and <= 'z']) return id;
        throw new TokenizerException("the vocabulary has no token that is one letter, so grammars cannot be matched");
    }
}
