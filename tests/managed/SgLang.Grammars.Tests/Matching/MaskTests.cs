using System.Text;
using SgLang.Core;
using SgLang.Grammars.Matching;

namespace SgLang.Grammars.Tests.Matching;

public class MaskTests
{
    [Theory]
    [InlineData(GrammarKind.JsonSchema, GrammarSpec.AnyJson)]
    [InlineData(GrammarKind.JsonSchema, """{"type":"array","items":{"type":"object","properties":{"name":{"type":"string","maxLength":6},"n":{"type":"integer"}},"required":["n"]}}""")]
    [InlineData(GrammarKind.Regex, "(é|日本|[a-f]{1,3}){2,4}")]
    [InlineData(GrammarKind.Ebnf, "root ::= item*\nitem ::= \"[\" item* \"]\" | \"{\\\"\" item* \"}\" | [0-9]")]
    public void A_mask_allows_exactly_the_tokens_that_can_be_taken(GrammarKind kind, string text)
    {
        int seed = Random.Shared.Next();
        var random = new Random(seed);
        CompiledGrammar grammar = ScriptedModel.Compile(kind, text);
        int[] mask = new int[grammar.MaskWords];
        for (int run = 0; run < 6; run++)
        {
            var taken = new List<int>();
            var matcher = new GrammarMatcher(grammar, [ScriptedModel.Eos]);
            for (int step = 0; step < 25 && !matcher.IsFinished; step++)
            {
                matcher.TryFillMask(mask);
                List<int> allowed = ScriptedModel.Allowed(mask);
                for (int id = 1; id < ScriptedModel.Vocabulary.Bytes.Count; id++)
                {
                    GrammarMatcher trial = Replayed(grammar, taken);
                    trial.Accept(id);
                    Assert.True(!trial.IsDead == allowed.Contains(id), $"seed {seed}, after {taken.Count} tokens, id {id} \"{Encoding.UTF8.GetString(ScriptedModel.BytesOf(id))}\"");
                }
                int next = allowed[random.Next(allowed.Count)];
                taken.Add(next);
                matcher.Accept(next);
            }
        }
    }

    [Fact]
    public void Ids_without_bytes_and_beyond_the_vocabulary_are_never_allowed()
    {
        CompiledGrammar grammar = ScriptedModel.Compile(GrammarKind.Regex, "[\\s\\S]*");
        int[] mask = new int[grammar.MaskWords];
        new GrammarMatcher(grammar, [ScriptedModel.Eos]).TryFillMask(mask);
        foreach (int id in ScriptedModel.Allowed(mask)) Assert.True(id == ScriptedModel.Eos || ScriptedModel.BytesOf(id).Length > 0);
    }

    [Fact]
    public void A_stop_token_is_allowed_only_where_the_text_is_complete()
    {
        // Id 'b' + 1 writes a byte that the grammar also takes; as a stop token it only stops.
        int stop = 'b' + 1;
        CompiledGrammar grammar = ScriptedModel.Compile(GrammarKind.Regex, "a[bc]?");
        var matcher = new GrammarMatcher(grammar, [ScriptedModel.Eos, stop]);
        int[] mask = new int[grammar.MaskWords];
        matcher.TryFillMask(mask);
        Assert.DoesNotContain(stop, ScriptedModel.Allowed(mask));
        matcher.Accept('a' + 1);
        matcher.TryFillMask(mask);
        Assert.Contains(stop, ScriptedModel.Allowed(mask));
        matcher.Accept(stop);
        Assert.True(matcher.IsFinished);
        Assert.False(matcher.TryFillMask(mask));
    }

    [Fact]
    public void Matching_begins_after_the_token_that_ends_thinking()
    {
        int begin = 300;
        CompiledGrammar grammar = ScriptedModel.Compile(GrammarKind.Regex, "ab");
        var matcher = new GrammarMatcher(grammar, [ScriptedModel.Eos], begin);
        int[] mask = new int[grammar.MaskWords];
        foreach (int id in new[] { 500, 'x' + 1, begin })
        {
            Assert.False(matcher.TryFillMask(mask));
            matcher.Accept(id);
        }
        Assert.True(matcher.TryFillMask(mask));
        Assert.Equal([['a' + 1]], new[] { ScriptedModel.Allowed(mask).Where(id => ScriptedModel.BytesOf(id).Length == 1) });
    }

    [Fact]
    public void The_first_token_may_write_something_else()
    {
        // As SentencePiece does: " a" is "a" at the beginning.
        byte[]?[] later = [null, [.. " a"u8], [.. "b"u8], [.. " "u8]];
        byte[]?[] first = [null, [.. "a"u8], [.. "b"u8], null];
        var vocabulary = new TokenVocabulary(4, later, first);
        CompiledGrammar grammar = GrammarCompiler.Compile(new GrammarSpec(GrammarKind.Regex, "a( a|b)"), vocabulary, GrammarOptions.Default, CancellationToken.None);
        var matcher = new GrammarMatcher(grammar, [0]);
        int[] mask = new int[grammar.MaskWords];
        matcher.TryFillMask(mask);
        Assert.Equal([1], ScriptedModel.Allowed(mask));
        matcher.Accept(1);
        matcher.TryFillMask(mask);
        Assert.Equal([1, 2, 3], ScriptedModel.Allowed(mask));
    }

    [Fact]
    public void Depth_of_nesting_is_not_limited()
    {
        CompiledGrammar grammar = ScriptedModel.Compile(GrammarKind.JsonSchema, GrammarSpec.AnyJson);
        var matcher = new GrammarMatcher(grammar, [ScriptedModel.Eos]);
        int[] mask = new int[grammar.MaskWords];
        for (int i = 0; i < 5000; i++) matcher.Accept('[' + 1);
        matcher.TryFillMask(mask);
        Assert.Contains('[' + 1, ScriptedModel.Allowed(mask));
        for (int i = 0; i < 5000; i++) matcher.Accept(']' + 1);
        Assert.True(matcher.IsComplete);
    }

    [Fact]
    public async Task Matchers_of_one_grammar_do_not_disturb_each_other()
    {
        CompiledGrammar grammar = ScriptedModel.Compile(GrammarKind.JsonSchema, GrammarSpec.AnyJson);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(i => Task.Run(() =>
        {
            var model = new ScriptedModel(i);
            for (int run = 0; run < 30; run++) System.Text.Json.JsonDocument.Parse(model.Generate(grammar, patience: 25), new() { MaxDepth = 1000 }).Dispose();
        })));
    }

    private static GrammarMatcher Replayed(CompiledGrammar grammar, List<int> taken)
    {
        var matcher = new GrammarMatcher(grammar, [ScriptedModel.Eos]);
        foreach (int id in taken) matcher.Accept(id);
        return matcher;
    }
}
