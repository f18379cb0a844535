using System.Text.RegularExpressions;
using FsCheck;
using FsCheck.Fluent;
using Google.Protobuf;
using LlamaTokenizer = Microsoft.ML.Tokenizers.LlamaTokenizer;
using SgLang.Tokenization.Loading;

namespace SgLang.Tokenization.Tests.Loading;

/// <summary>Directories that have a tokenizer.model and no tokenizer.json.</summary>
public sealed class SentencePieceModelTests : IDisposable
{
    private readonly string _directory = TestDirectory.Create("sgl-sentencepiece-");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void Every_golden_string_of_llama2_comes_out_as_with_its_tokenizer_json()
    {
        Tokenizer tokenizer = Llama2();
        foreach (GoldenString golden in Golden.Of("llama2").Strings)
        {
            Assert.Equal(golden.Ids, tokenizer.Encode(golden.Text, addSpecialTokens: false));
            Assert.Equal(golden.IdsWithSpecial, tokenizer.Encode(golden.Text, addSpecialTokens: true));
            Assert.Equal(golden.Decoded, tokenizer.Decode(golden.Ids, skipSpecialTokens: false));
            Assert.Equal(golden.DecodedSkipSpecial, tokenizer.Decode(golden.IdsWithSpecial, skipSpecialTokens: true));
        }

        Assert.Equal((32000, 0, 1, 2), (tokenizer.VocabularySize, tokenizer.UnknownTokenId, tokenizer.BosTokenId, tokenizer.EosTokenId));
        Assert.Equal([0, 1, 2], tokenizer.SpecialTokenIds);
    }

    [Fact]
    public void Any_text_encodes_as_with_the_tokenizer_json()
    {
        Tokenizer model = Llama2();
        Tokenizer json = Golden.Tokenizer("llama2");

        // Converters order merges of equal score in their own ways, which three spaces or more can tell.
        Prop.ForAll(Arb.From(AnyText.WellFormed.Where(text => !text.Contains("   ", StringComparison.Ordinal) && !text.Contains("\u2581", StringComparison.Ordinal))),
            text => model.Encode(text, true).SequenceEqual(json.Encode(text, true))).Check(Config.QuickThrowOnFailure.WithMaxTest(500));
    }

    /// <summary>An independent reader of the same file: it proves that the test writes a SentencePiece model.</summary>
    [Fact]
    public void Ids_equal_those_of_an_independent_reader()
    {
        Tokenizer ours = Llama2();
        using FileStream file = File.OpenRead(Path.Combine(_directory, "tokenizer.model"));
        LlamaTokenizer other = LlamaTokenizer.Create(file, addBeginOfSentence: true, addEndOfSentence: false);

        // That reader breaks ties between overlapping pairs (bb|b against b|bb) in another way than the golden strings, and cuts no <s> out of a text.
        static bool IsComparable(string text) => text.Length > 0 && !text.Contains('<', StringComparison.Ordinal) && !Regex.IsMatch(text, @"(.+)\1", RegexOptions.Singleline);
        Prop.ForAll(Arb.From(Gen.OneOf(AnyText.WellFormed, Gen.Elements([.. " abcdehilnorst\n漢é"]).ArrayOf().Select(chars => new string(chars))).Where(IsComparable)),
            text => ours.Encode(text, true).SequenceEqual(other.EncodeToIds(text))).Check(Config.QuickThrowOnFailure.WithMaxTest(500));
    }

    [Theory]
    [InlineData("""{"add_bos_token": false, "add_eos_token": true}""", "ab", "▁|ab|</s>")]
    [InlineData("""{"add_prefix_space": false}""", "ab ab", "<s>|ab|▁|ab")]
    [InlineData("""{"legacy": true}""", "ab<u>ab", "<s>|▁|ab|<u>|▁|ab")]
    [InlineData("""{"legacy": false}""", "ab<u>ab", "<s>|▁|ab|<u>|ab")]
    [InlineData("{}", "</s>a?", "<s>|</s>|▁|a|<unk>")]
    public void The_configuration_decides_what_the_model_leaves_open(string configuration, string text, string expected)
    {
        File.WriteAllText(Path.Combine(_directory, "tokenizer_config.json"), configuration);
        Tokenizer tokenizer = Load(Small());
        Assert.Equal(expected, string.Join('|', tokenizer.Encode(text, addSpecialTokens: true).Select(tokenizer.TokenText)));
        Assert.Equal([0, 1, 2], tokenizer.SpecialTokenIds);
        Assert.Equal((1, 2), (tokenizer.BosTokenId, tokenizer.EosTokenId));
    }

    [Fact]
    public void Extra_whitespace_goes_where_the_model_says_so()
    {
        Tokenizer tokenizer = Load(Small(new SentencePieceBuilder { RemovesExtraWhitespace = true }));
        Assert.Equal(tokenizer.Encode("a b", false), tokenizer.Encode("  a   b ", false));
    }

    [Fact]
    public void Equal_scores_merge_from_the_left()
    {
        SentencePieceBuilder builder = Small();
        builder.Pieces.Add(("ba", 0, PieceKind.Normal));
        Tokenizer tokenizer = Load(builder);
        Assert.Equal("▁|ab|a", string.Join('|', tokenizer.Encode("aba", false).Select(tokenizer.TokenText)));
        Assert.Equal("▁|ba|b", string.Join('|', tokenizer.Encode("bab", false).Select(tokenizer.TokenText)));
    }

    public static TheoryData<string, string> Damages => new()
    {
        { "unigram", "trainer_spec.model_type is UNIGRAM; supported: BPE" },
        { "map", "normalizer_spec.name is \"nmt_nfkc\"" },
        { "unk", "trainer_spec.unk_id is 99, but there are 9 pieces" },
        { "twice", "pieces[9] is \"ab\", which pieces[6] is too" },
        { "nan", "pieces[9].score is not a number" },
        { "kind", "pieces[9].type is 9" },
        { "empty piece", "pieces[9] has 0 characters" },
        { "long piece", "pieces[9] has 5000 characters" },
        { "no pieces", "there are no pieces" },
        { "wire", "field 2 of pieces[0] has wire type Varint; Fixed32 is expected" },
        { "length", "not a SentencePiece model (truncated or damaged?)" },
        { "not utf-8", "text that is not UTF-8" },
        { "tiktoken", "not a SentencePiece model" },
    };

    [Theory]
    [MemberData(nameof(Damages))]
    public void Lying_files_are_refused_with_the_file_and_the_place(string damage, string message)
    {
        string path = Path.Combine(_directory, "tokenizer.model");
        File.WriteAllBytes(path, Damaged(damage));
        var error = Assert.Throws<TokenizerException>(() => Tokenizer.Load(_directory));
        Assert.StartsWith(path, error.Message, StringComparison.Ordinal);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    /// <summary>Cut anywhere, a file is an error or (between two messages, where nothing tells) a smaller tokenizer; never another exception.</summary>
    [Fact]
    public void Truncated_files_are_refused()
    {
        byte[] whole = Small().Build();
        int refused = 0;
        for (int length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(Path.Combine(_directory, "tokenizer.model"), whole[..length]);
            refused += Record.Exception(() => Tokenizer.Load(_directory)) switch
            {
                null => 0,
                TokenizerException => 1,
                { } other => throw other,
            };
        }

        Assert.InRange(refused, whole.Length - 2, whole.Length);
    }

    [Fact]
    public void Changed_bytes_never_give_another_exception()
    {
        byte[] whole = Small().Build();
        int seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        var random = new Random(seed);
        for (int round = 0; round < 2000; round++)
        {
            byte[] bytes = [.. whole];
            for (int change = random.Next(1, 4); change > 0; change--)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }

            File.WriteAllBytes(Path.Combine(_directory, "tokenizer.model"), bytes);
            Exception? error = Record.Exception(() => Tokenizer.Load(_directory).Encode("ab <u> b", true));
            Assert.True(error is null or TokenizerException, $"seed {seed}, round {round}: {error}");
        }
    }

    private static byte[] Damaged(string damage)
    {
        SentencePieceBuilder builder = damage switch
        {
            "unigram" => Small(new SentencePieceBuilder { Algorithm = SentencePieceAlgorithm.Unigram }),
            "map" => Small(new SentencePieceBuilder { CharacterMap = [1, 2, 3] }),
            "unk" => Small(new SentencePieceBuilder { UnknownId = 99 }),
            _ => Small(),
        };
        (string, float, PieceKind)? further = damage switch
        {
            "twice" => ("ab", 0, PieceKind.Normal),
            "nan" => ("x", float.NaN, PieceKind.Normal),
            "kind" => ("x", 0, (PieceKind)9),
            "empty piece" => ("", 0, PieceKind.Normal),
            "long piece" => (new string('x', 5000), 0, PieceKind.Normal),
            _ => null,
        };
        if (further is { } piece)
        {
            builder.Pieces.Add(piece);
        }

        return damage switch
        {
            "no pieces" => [],
            "wire" => SentencePieceBuilder.Message(model => SentencePieceBuilder.Nested(model, 1, piece => SentencePieceBuilder.Tag(piece, 2, WireFormat.WireType.Varint).WriteInt32(1))),
            "length" => [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x07, 1],
            "not utf-8" => SentencePieceBuilder.Message(model => SentencePieceBuilder.Nested(model, 1, piece => SentencePieceBuilder.Tag(piece, 1, WireFormat.WireType.LengthDelimited).WriteBytes(ByteString.CopyFrom(0xFF)))),
            "tiktoken" => "IQ== 0\nIg== 1\n"u8.ToArray(),
            _ => builder.Build(),
        };
    }

    private static SentencePieceBuilder Small(SentencePieceBuilder? builder = null)
    {
        builder ??= new SentencePieceBuilder();
        builder.Pieces.AddRange([("<unk>", 0, PieceKind.Unknown), ("<s>", 0, PieceKind.Control), ("</s>", 0, PieceKind.Control), ("▁", -3, PieceKind.Normal), ("a", -1, PieceKind.Normal),
            ("b", -2, PieceKind.Normal), ("ab", 0, PieceKind.Normal), ("<u>", 0, PieceKind.UserDefined), ("▁▁", -1e9f, PieceKind.Normal)]);
        return builder;
    }

    private Tokenizer Llama2() => Load(SentencePieceBuilder.FromTokenizerJson(Path.Combine(Golden.Directory("llama2"), "tokenizer.json")));

    private Tokenizer Load(SentencePieceBuilder builder)
    {
        File.WriteAllBytes(Path.Combine(_directory, "tokenizer.model"), builder.Build());
        return Tokenizer.Load(_directory);
    }
}
