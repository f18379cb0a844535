using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;

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
            int[] ids = tokenizer.Encode(golden.Text, addSpecialTokens: false);
            Assert.True(golden.Ids.AsSpan().SequenceEqual(ids), $"{golden.Text}\nexpected {string.Join(' ', golden.Ids)}\nactual   {string.Join(' ', ids)}");
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
            Assert.Equal(golden.Decoded, tokenizer.Decode(golden.Ids, skipSpecialTokens: false));
            Assert.Equal(golden.DecodedSkipSpecial, tokenizer.Decode(golden.Ids, skipSpecialTokens: true));
            Assert.Equal(golden.DecodedSkipSpecial, tokenizer.Decode(golden.IdsWithSpecial, skipSpecialTokens: true));
        }
    }

    [Theory]
    [InlineData("demo")]
    [InlineData("llama3_1")]
    [InlineData("deepseek_v3")]
    [InlineData("gptoss")]
    public void Decode_undoes_encode_for_byte_level_tokenizers(string name)
    {
        Tokenizer tokenizer = Golden.Tokenizer(name);
        Prop.ForAll(AnyText.WellFormedArbitrary, text => tokenizer.Decode(tokenizer.Encode(text, addSpecialTokens: false), skipSpecialTokens: false) == text)
            .QuickCheckThrowOnFailure();
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Encode_takes_any_string_and_gives_ids_of_the_vocabulary(string name)
    {
        Tokenizer tokenizer = Golden.Tokenizer(name);
        Prop.ForAll(AnyText.AnyArbitrary, text => tokenizer.Encode(text, addSpecialTokens: true).All(id => id >= 0 && id < tokenizer.VocabularySize))
            .QuickCheckThrowOnFailure();
    }

    [Fact]
    public void A_lone_surrogate_counts_as_the_replacement_character()
    {
        Tokenizer tokenizer = Golden.Tokenizer("demo");
        Assert.Equal(tokenizer.Encode("a\uFFFDb\uFFFD", false), tokenizer.Encode("a\uD83Db\uDE00", false));
    }

    [Fact]
    public void Vocabulary_size_is_the_largest_id_plus_one_with_added_tokens()
    {
        Tokenizer tokenizer = Golden.Tokenizer("demo");
        Assert.Equal(4096, tokenizer.VocabularySize);
        Assert.Equal(4091, tokenizer.BosTokenId);
        Assert.Equal(4095, tokenizer.EosTokenId);
        Assert.Equal(2048, tokenizer.ModelMaxLength);
        Assert.Equal([4091, 4092, 4093, 4094, 4095], tokenizer.SpecialTokenIds);
        Assert.True(tokenizer.IsSpecial(4095));
        Assert.False(tokenizer.IsSpecial(0));
        Assert.Equal(4095, tokenizer.TokenToId("<|eot_id|>"));
        Assert.Null(tokenizer.TokenToId("no such token"));
    }

    [Theory]
    [InlineData("llama2", 32000, 1, 2, null)]
    [InlineData("llama3_1", 128256, 128000, 128009, null)]
    [InlineData("qwen3", 151669, null, 151645, 131072)]
    [InlineData("deepseek_v3", 128815, 0, 1, 131072)]
    [InlineData("gemma3", 262145, 2, 106, 32768)]
    [InlineData("gptoss", 200019, 199998, 200002, null)]
    public void Special_ids_come_from_the_configuration(string name, int size, int? bos, int? eos, int? maxLength)
    {
        Tokenizer tokenizer = Golden.Tokenizer(name);
        Assert.Equal((size, bos, eos, maxLength), (tokenizer.VocabularySize, tokenizer.BosTokenId, tokenizer.EosTokenId, tokenizer.ModelMaxLength));
    }

    [Fact]
    public void Ids_without_a_token_decode_to_nothing()
    {
        Tokenizer tokenizer = Golden.Tokenizer("demo");
        int[] hello = tokenizer.Encode("Hello", false);
        Assert.Equal("Hello", tokenizer.Decode([-1, .. hello, 4096, int.MaxValue], false));
        Assert.Equal("", tokenizer.DecodeToken(99999));
        Assert.Equal("<|eot_id|>", tokenizer.DecodeToken(4095));
    }

    [Fact]
    public void Encoding_on_many_threads_gives_what_one_thread_gives()
    {
        Tokenizer shared = Golden.Tokenizer("demo");
        string[] texts = [.. Golden.Of("demo").Strings.Select(golden => golden.Text), .. Enumerable.Range(0, 20).Select(i => string.Concat(Enumerable.Repeat($"word{i} 漢字 don't ", i)))];
        int[][] expected = [.. texts.Select(text => Tokenizer.Load(TestPaths.DemoModel).Encode(text, true))];
        Parallel.For(0, 2000, i => Assert.Equal(expected[i % texts.Length], shared.Encode(texts[i % texts.Length], true)));
    }

    /// <summary>A whole text is one word to such a model; a quadratic merge would take hours here.</summary>
    [Fact]
    public void A_megabyte_without_a_word_boundary_encodes()
    {
        string text = string.Concat(Enumerable.Range(0, 100_000).Select(i => (char)('a' + i * 7 % 26) + "bc defg hi"));
        Tokenizer tokenizer = Golden.Tokenizer("llama2");
        Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text, false), false));
        string word = new('a', 1_000_000);
        Assert.Equal(word, Golden.Tokenizer("demo").Decode(Golden.Tokenizer("demo").Encode(word, false), false));
    }
}
