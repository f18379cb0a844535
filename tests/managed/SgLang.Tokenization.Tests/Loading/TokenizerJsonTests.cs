namespace SgLang.Tokenization.Tests.Loading;

/// <summary>Whole tokenizers from small tokenizer.json files: their parts, and what is wrong with damaged ones.</summary>
public sealed class TokenizerJsonTests : IDisposable
{
    private const string Letters = """{"<unk>": 0, "a": 1, "b": 2, "c": 3, " ": 4, "ab": 5, "▁": 6, "!": 7, "1": 8, "2": 9, "12": 10, "A": 11, "X": 12, "é": 13}""";

    private readonly string _directory = TestDirectory.Create("sgl-tokenizer-");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory]
    [InlineData("Removed", false, "a|b|c")]
    [InlineData("Isolated", false, "a|1|b|1|1|c|1")]
    [InlineData("MergedWithPrevious", false, "a1|b1|1|c1")]
    [InlineData("MergedWithNext", false, "a|1b|1|1c|1")]
    [InlineData("Contiguous", false, "a|1|b|11|c|1")]
    [InlineData("Removed", true, "1|1|1|1")]
    public void Split_behaves_as_named(string behavior, bool invert, string expected) =>
        Assert.Equal(expected, Words($$"""{"type": "Split", "pattern": {"String": "1"}, "behavior": "{{behavior}}", "invert": {{(invert ? "true" : "false")}}}""", "a1b11c1"));

    [Theory]
    [InlineData("""{"type": "Digits", "individual_digits": true}""", "ab12c", "ab|1|2|c")]
    [InlineData("""{"type": "Digits", "individual_digits": false}""", "ab12c", "ab|12|c")]
    [InlineData("""{"type": "Punctuation"}""", "ab!!c", "ab|!|!|c")]
    [InlineData("""{"type": "Whitespace"}""", "ab! c", "ab|!|c")]
    [InlineData("""{"type": "WhitespaceSplit"}""", " ab!  c", "ab!|c")]
    [InlineData("""{"type": "CharDelimiterSplit", "delimiter": "b"}""", "abbc", "a|c")]
    [InlineData("""{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"}""", "a b", "▁a|▁b")]
    [InlineData("""{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never"}""", "a b", "a|▁b")]
    [InlineData("""{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": false}""", "a b", "a▁b")]
    [InlineData("""{"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Digits", "individual_digits": true}]}""", "a1 2", "a|1|2")]
    public void Pre_tokenizers_cut_as_the_reference_does(string json, string text, string expected) => Assert.Equal(expected, Words(json, text));

    [Theory]
    [InlineData("""{"type": "Lowercase"}""", "aABC", "aabc")]
    [InlineData("""{"type": "Prepend", "prepend": "▁"}""", "a", "▁a")]
    [InlineData("""{"type": "Prepend", "prepend": "▁"}""", "", "")]
    [InlineData("""{"type": "Replace", "pattern": {"Regex": "[bc]+"}, "content": "X"}""", "abca", "aXa")]
    [InlineData("""{"type": "Strip", "strip_left": true, "strip_right": false}""", "  a ", "a ")]
    [InlineData("""{"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}]}""", "áb", "ab")]
    [InlineData("""{"type": "NFC"}""", "e\u0301", "é")]
    public void Normalizers_rewrite_as_the_reference_does(string json, string text, string expected)
    {
        Tokenizer tokenizer = Load(normalizer: json);
        Assert.Equal(expected, string.Concat(tokenizer.Encode(text, false).Select(tokenizer.TokenText)));
    }

    [Theory]
    [InlineData("""{"type": "Fuse"}""", "▁a▁b")]
    [InlineData("""{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"}""", "a b")]
    [InlineData("""{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never"}""", " a b")]
    [InlineData("""{"type": "Replace", "pattern": {"Regex": "▁|b"}, "content": "-"}""", "-a--")]
    [InlineData("""{"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "Replace", "pattern": {"String": "a▁b"}, "content": "X"}]}""", "▁X")]
    [InlineData("""{"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "Strip", "content": "▁", "start": 1, "stop": 0}]}""", "a▁b")]
    [InlineData("""{"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "Strip", "content": "b", "start": 0, "stop": 1}]}""", "▁a▁")]
    [InlineData("""{"type": "Strip", "content": "▁", "start": 1, "stop": 1}""", "ab")]
    [InlineData("""{"type": "BPEDecoder", "suffix": "▁"}""", " a b")]
    [InlineData("""{"type": "WordPiece", "prefix": "▁", "cleanup": false}""", "▁ a b")]
    [InlineData("null", "▁ a ▁ b")]
    public void Decoders_join_as_the_reference_does(string json, string expected)
    {
        Tokenizer tokenizer = Load(decoder: json);
        int[] ids = [6, 1, 6, 2];
        Assert.Equal(expected, tokenizer.Decode(ids, false));
        StreamDetokenizer stream = tokenizer.CreateStream(false);
        Assert.Equal(expected, string.Concat(ids.Select(stream.Append)) + stream.Finish());
    }

    [Theory]
    [InlineData("""{"lstrip": true}""", "a X b", "a|X| |b")]
    [InlineData("""{"rstrip": true}""", "a X b", "a| |X|b")]
    [InlineData("""{"lstrip": true, "rstrip": true}""", "a  X  Xb", "a|X|X|b")]
    [InlineData("""{"single_word": true}""", "aX X Xb", "a|<unk>| |X| |<unk>|b")]
    [InlineData("{}", "aXb", "a|X|b")]
    public void Added_tokens_are_cut_out_of_the_text(string flags, string text, string expected)
    {
        string token = """{"id": 20, "content": "X", "special": true, "normalized": false, """ + flags.TrimStart('{');
        Tokenizer tokenizer = Load(addedTokens: $"[{token.Replace(", }", "}", StringComparison.Ordinal)}]", vocabulary: Letters.Replace("\"X\": 12, ", "", StringComparison.Ordinal));
        Assert.Equal(expected, string.Join('|', tokenizer.Encode(text, false).Select(tokenizer.TokenText)));
        Assert.Equal(21, tokenizer.VocabularySize);
    }

    [Fact]
    public void Byte_fallback_runs_decode_whole_or_as_replacement_characters()
    {
        string bytes = string.Join(", ", Enumerable.Range(0, 256).Select(value => $"\"<0x{value:X2}>\": {value + 20}"));
        Tokenizer tokenizer = Load(vocabulary: Letters.TrimEnd('}') + ", " + bytes + "}", model: ", \"byte_fallback\": true", decoder: """{"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]}""");
        int[] ids = tokenizer.Encode("a漢b", false);
        Assert.Equal([1, 0xE6 + 20, 0xBC + 20, 0xA2 + 20, 2], ids);
        Assert.Equal("a漢b", tokenizer.Decode(ids, false));
        Assert.Equal("\uFFFD\uFFFD\uFFFD\uFFFD", tokenizer.Decode([0xE6 + 20, 0xBC + 20, 0xA2 + 20, 0xFF + 20], false));
        StreamDetokenizer stream = tokenizer.CreateStream(false);
        Assert.Equal(["a", "", "", "", "漢b"], ids.Select(stream.Append));
    }

    [Fact]
    public void Post_processors_put_their_tokens_around_the_text()
    {
        Tokenizer tokenizer = Load(postProcessor: """
            {"type": "Sequence", "processors": [{"type": "ByteLevel"}, {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "s", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "e", "type_id": 0}}],
             "special_tokens": {"s": {"id": "s", "ids": [11], "tokens": ["A"]}, "e": {"id": "e", "ids": [12, 7], "tokens": ["X", "!"]}}}]}
            """);
        Assert.Equal([11, 1, 12, 7], tokenizer.Encode("a", true));
        Assert.Equal([11, 12, 7], tokenizer.Encode("", true));
        Assert.Equal([1], tokenizer.Encode("a", false));
    }

    [Fact]
    public void Special_tokens_of_the_configuration_are_special()
    {
        File.WriteAllText(Path.Combine(_directory, "tokenizer_config.json"), """{"eos_token": {"content": "!"}, "additional_special_tokens": ["X"], "added_tokens_decoder": {"30": {"content": "new", "special": true}}}""");
        Tokenizer tokenizer = Load();
        Assert.Equal((7, 31), (tokenizer.EosTokenId, tokenizer.VocabularySize));
        Assert.Equal([7, 12, 30], tokenizer.SpecialTokenIds);
        Assert.Equal(["X"], tokenizer.AdditionalSpecialTokens);
        Assert.Equal([1, 30, 2], tokenizer.Encode("anewb", false));
    }

    [Theory]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0""", "not valid JSON")]
    [InlineData("", "not valid JSON")]
    [InlineData("[]", "an object is expected")]
    [InlineData("{}", "$.model is missing")]
    [InlineData("""{"model": {"type": "Unigram", "vocab": []}}""", "model.type is \"Unigram\"; supported: BPE")]
    [InlineData("""{"model": {"type": "BPE", "merges": []}}""", "model.vocab is missing")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}}""", "model.vocab[\"a\"] is -1")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 2000000000}, "merges": []}}""", "larger than")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["ab"]}}""", "model.merges[0]")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}}""", "\"b\", which is not in model.vocab")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "unk_token": "u"}}""", "unk_token \"u\"")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {}, "merges": []}, "normalizer": {"type": "Precompiled"}}""", "normalizer.type is \"Precompiled\"; supported: Sequence")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {}, "merges": []}, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "UnicodeScripts"}]}}""", "pre_tokenizer.pretokenizers[0].type is \"UnicodeScripts\"")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {}, "merges": []}, "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a"}, "behavior": "Isolated"}}""", "pre_tokenizer.pattern")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {}, "merges": []}, "decoder": {"type": "CTC"}}""", "decoder.type is \"CTC\"")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {}, "merges": []}, "added_tokens": [{"id": "x", "content": "a"}]}""", "added_tokens[0].id is a string")]
    public void Damaged_files_are_refused_with_the_file_and_the_place(string json, string message)
    {
        File.WriteAllText(Path.Combine(_directory, "tokenizer.json"), json);
        var error = Assert.Throws<TokenizerException>(() => Tokenizer.Load(_directory));
        Assert.StartsWith(Path.Combine(_directory, "tokenizer.json"), error.Message, StringComparison.Ordinal);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_file_is_named() =>
        Assert.Contains("has neither tokenizer.json nor tokenizer.model", Assert.Throws<TokenizerException>(() => Tokenizer.Load(_directory)).Message, StringComparison.Ordinal);

    /// <summary>Any cut of a real file must be an error message, never another exception.</summary>
    [Fact]
    public void Truncated_files_are_refused()
    {
        byte[] whole = File.ReadAllBytes(Path.Combine(TestPaths.DemoModel, "tokenizer.json"));
        for (int length = 0; length < whole.Length; length += 9973)
        {
            File.WriteAllBytes(Path.Combine(_directory, "tokenizer.json"), whole[..length]);
            Assert.Throws<TokenizerException>(() => Tokenizer.Load(_directory));
        }
    }

    private string Words(string preTokenizer, string text)
    {
        // Every word that the cases expect is a token and is taken whole.
        string words = string.Join(", ", new[] { "a1", "b1", "c1", "1b", "1c", "11", "ab!", "▁a", "▁b", "a▁b" }.Select((word, i) => $"\"{word}\": {40 + i}"));
        Tokenizer tokenizer = Load(preTokenizer: preTokenizer, vocabulary: Letters.TrimEnd('}') + ", " + words + "}", model: ", \"ignore_merges\": true");
        return string.Join('|', tokenizer.Encode(text, false).Select(tokenizer.TokenText));
    }

    private Tokenizer Load(string normalizer = "null", string preTokenizer = "null", string postProcessor = "null", string decoder = "null", string addedTokens = "[]", string vocabulary = Letters, string model = "")
    {
        File.WriteAllText(Path.Combine(_directory, "tokenizer.json"), $$$"""
            {"added_tokens": {{{addedTokens}}}, "normalizer": {{{normalizer}}}, "pre_tokenizer": {{{preTokenizer}}}, "post_processor": {{{postProcessor}}}, "decoder": {{{decoder}}},
             "model": {"type": "BPE", "unk_token": "<unk>", "vocab": {{{vocabulary}}}, "merges": []{{{model}}} } }
            """);
        return Tokenizer.Load(_directory);
    }
}
