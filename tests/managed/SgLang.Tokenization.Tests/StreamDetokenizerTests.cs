using System.Text;
using FsCheck;
using FsCheck.Fluent;
using SgLang.Tokenization.Bpe;

namespace SgLang.Tokenization.Tests;

public sealed class StreamDetokenizerTests
{
    public static TheoryData<string> Names => Golden.Names;

    [Theory]
    [MemberData(nameof(Names))]
    public void Stream_gives_what_decode_gives_for_every_golden_string(string name)
    {
        Tokenizer tokenizer = Golden.Tokenizer(name);
        foreach (GoldenString golden in Golden.Of(name).Strings)
        {
            Assert.Equal(golden.Decoded, Stream(tokenizer, golden.Ids, skipSpecialTokens: false));
            Assert.Equal(golden.DecodedSkipSpecial, Stream(tokenizer, golden.IdsWithSpecial, skipSpecialTokens: true));
            Assert.Equal(tokenizer.Decode(golden.IdsWithSpecial, false), Stream(tokenizer, golden.IdsWithSpecial, skipSpecialTokens: false));
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Stream_gives_what_decode_gives_for_any_ids(string name)
    {
        Tokenizer tokenizer = Golden.Tokenizer(name);
        // Low ids hold the bytes, so half of the ids come from there.
        Gen<int> id = Gen.OneOf(Gen.Choose(0, 300), Gen.Choose(-2, tokenizer.VocabularySize + 2));
        Prop.ForAll(Arb.From(id.ArrayOf()), ids =>
            Stream(tokenizer, ids, false) == tokenizer.Decode(ids, false) && Stream(tokenizer, ids, true) == tokenizer.Decode(ids, true)).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Byte_level_text_is_that_of_its_bytes()
    {
        Tokenizer tokenizer = Golden.Tokenizer("demo");
        Prop.ForAll(Arb.From(Gen.Choose(0, 255).ArrayOf()), values =>
        {
            // The reference's vocabulary lists the alphabet's 256 characters in some order; look each byte up.
            int[] ids = [.. values.Select(value => tokenizer.TokenToId(ByteAlphabet.ToChar((byte)value).ToString())!.Value)];
            return tokenizer.Decode(ids, false) == Encoding.UTF8.GetString([.. values.Select(value => (byte)value)]);
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Half_a_character_is_never_shown()
    {
        Tokenizer tokenizer = Golden.Tokenizer("demo");
        int[] ids = [.. Encoding.UTF8.GetBytes("é漢😀").Select(value => tokenizer.TokenToId(ByteAlphabet.ToChar(value).ToString())!.Value)];
        StreamDetokenizer stream = tokenizer.CreateStream(true);
        Assert.Equal(["", "é", "", "", "漢", "", "", "", "😀"], ids.Select(stream.Append));
        Assert.Equal("", stream.Finish());

        StreamDetokenizer cut = tokenizer.CreateStream(true);
        Assert.Equal(["", "é", "", ""], ids[..4].Select(cut.Append));
        Assert.Equal("\uFFFD", cut.Finish());
        Assert.Equal("", cut.Finish());
        Assert.Throws<InvalidOperationException>(() => cut.Append(1));
    }

    [Fact]
    public void Certain_text_is_shown_at_once()
    {
        Tokenizer tokenizer = Golden.Tokenizer("llama2");
        StreamDetokenizer stream = tokenizer.CreateStream(true);
        Assert.Equal(["Hello", ",", " world", "!"], tokenizer.Encode("Hello, world!", false).Select(stream.Append));
    }

    private static string Stream(Tokenizer tokenizer, int[] ids, bool skipSpecialTokens)
    {
        StreamDetokenizer stream = tokenizer.CreateStream(skipSpecialTokens);
        var text = new StringBuilder();
        foreach (int id in ids)
        {
            string part = stream.Append(id);
            Assert.True(part.Length == 0 || !char.IsHighSurrogate(part[^1]) && !char.IsLowSurrogate(part[0]));
            text.Append(part);
        }

        return text.Append(stream.Finish()).ToString();
    }
}
