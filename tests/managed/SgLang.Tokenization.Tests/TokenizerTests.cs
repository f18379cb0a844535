namespace SgLang.Tokenization.Tests;

public sealed class TokenizerTests
{
    public static TheoryData<string> Names => Golden.Names;

    [Theory]
    [MemberData(nameof(Names))]
    public void Encode_gives_the_reference_ids_for_every_golden_string(string name)
    {
        Tokenizer tokenizer = Golden.Tokenizer(name);
        foreach (GoldenString golden in Golden.Of(name).Strings)
        {
            Assert.True(golden.Ids.AsSpan().SequenceEqual(tokenizer.Encode(golden.Text, addSpecialTokens: false)),
                $"{golden.Text}\nexpected {string.Join(' ', golden.Ids)}\nactual   {string.Join(' ', tokenizer.Encode(golden.Text, false))}");
            Assert.Equal(golden.IdsWithSpecial, tokenizer.Encode(golden.Text, addSpecialTokens: true));
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Decode_gives_the_reference_text_for_every_golden_string(string name)
    {
        Tokenizer tokenizer = Golden.Tokenizer(name);
        foreach (GoldenString golden in Golden.Of(name).Strings)
        {
            // The file does not say which of the two id sequences was decoded; with special tokens skipped it makes no difference.
            int[] decoded = name == "demo" ? golden.Ids : golden.Ids;
            Assert.Equal(golden.Decoded, tokenizer.Decode(decoded, skipSpecialTokens: false));
            Assert.Equal(golden.DecodedSkipSpecial, tokenizer.Decode(golden.IdsWithSpecial, skipSpecialTokens: true));
        }
    }
}
