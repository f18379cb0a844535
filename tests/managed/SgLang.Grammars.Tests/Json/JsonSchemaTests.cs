using System.Text;
using System.Text.Json.Nodes;
using NJsonSchema;
using SgLang.Core;
using SgLang.Grammars.Matching;

namespace SgLang.Grammars.Tests.Json;

public class JsonSchemaTests
{
    private static readonly int s_seed = Random.Shared.Next();

    public static TheoryData<string> Corpus => [.. SchemaCorpus.Schemas];

    public static TheoryData<int> Seeds => [.. Enumerable.Range(s_seed % 1_000_000, 120)];

    [Theory]
    [MemberData(nameof(Corpus))]
    public async Task Whatever_is_generated_validates(string schema) => await CheckAsync(schema, s_seed, runs: 12);

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task Whatever_is_generated_validates_for_random_schemas(int seed) => await CheckAsync(new RandomSchema(seed).Make().ToJsonString(), seed, runs: 4);

    [Theory]
    [MemberData(nameof(Corpus))]
    public async Task Compact_output_validates_and_has_no_other_blanks(string schema)
    {
        CompiledGrammar grammar = ScriptedModel.Compile(GrammarKind.JsonSchema, schema, new GrammarOptions { CompactJson = true });
        JsonSchema oracle = await Oracle.OfAsync(schema);
        string text = Generate(new ScriptedModel(s_seed), grammar);
        Assert.Empty(oracle.Validate(Oracle.OneUnitEach(text)));
        Assert.DoesNotContain("\n", text);
    }

    [Fact]
    public void Strings_may_carry_every_escape()
    {
        CompiledGrammar grammar = ScriptedModel.Compile(GrammarKind.JsonSchema, """{"type":"string"}""");
        Assert.True(Accepts(grammar, """ "a\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00\ufffd日😀" """.Trim()));
        foreach (string broken in new[] { "\"\\x\"", "\"\\ud83d\"", "\"\\ude00\"", "\"\\u12\"", "\"\n\"", "\"a" }) Assert.False(Accepts(grammar, broken), broken);
    }

    [Theory]
    [InlineData("""{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}},"required":["a"]}""", """{"a": 1, "b": 2}""", true)]
    [InlineData("""{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}},"required":["a"]}""", "{\n  \"a\": 1,\n  \"b\": 2\n}", true)]
    [InlineData("""{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}},"required":["a"]}""", """{"b":2,"a":1}""", false)]
    [InlineData("""{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}},"required":["a"]}""", """{"b":2}""", false)]
    [InlineData("""{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}},"required":["a"]}""", """{"a":1,"c":2}""", false)]
    [InlineData("""{"type":"object","properties":{"a":{"type":"integer"}},"additionalProperties":{"type":"string"}}""", """{"a":1,"c":"x","d":"y"}""", true)]
    [InlineData("""{"type":"object","properties":{"a":{"type":"integer"}},"additionalProperties":{"type":"string"}}""", """{"c":"x"}""", true)]
    [InlineData("""{"type":"object","properties":{"a":{"type":"integer"}},"additionalProperties":{"type":"string"}}""", """{"c":"x","a":"y"}""", false)]
    [InlineData("""{"type":"object","properties":{"a":{"type":"integer"}},"additionalProperties":{"type":"string"}}""", """{"\u0061":"y"}""", false)]
    [InlineData("""{"type":"integer","minimum":10,"maximum":250}""", "250", true)]
    [InlineData("""{"type":"integer","minimum":10,"maximum":250}""", "251", false)]
    [InlineData("""{"type":"integer","minimum":10,"maximum":250}""", "9", false)]
    [InlineData("""{"type":"integer"}""", "01", false)]
    [InlineData("""{"type":"number","minimum":-1.5,"maximum":2.25}""", "-1.5", true)]
    [InlineData("""{"type":"number","minimum":-1.5,"maximum":2.25}""", "-1.51", false)]
    [InlineData("""{"type":"number","minimum":-1.5,"maximum":2.25}""", "2.250", true)]
    [InlineData("""{"type":"number","minimum":-1.5,"maximum":2.25}""", "-0", true)]
    [InlineData("""{"type":"number","exclusiveMinimum":0}""", "0.000", false)]
    [InlineData("""{"type":"number","exclusiveMinimum":0}""", "0.001", true)]
    [InlineData("""{"type":"number","multipleOf":0.01}""", "12.34", true)]
    [InlineData("""{"type":"number","multipleOf":0.01}""", "12.345", false)]
    [InlineData("""{"type":"number"}""", "-12.5e+3", true)]
    [InlineData("""{"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}]}""", """[1,"a"]""", true)]
    [InlineData("""{"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}]}""", """["a"]""", false)]
    [InlineData("$$ANY$$", """{"a":[1,2,{"b":null}],"c":"\n"}""", true)]
    [InlineData("$$ANY$$", """{"a":[1,2,}""", false)]
    public void Texts_are_told_apart(string schema, string text, bool isInside) => Assert.Equal(isInside, Accepts(ScriptedModel.Compile(GrammarKind.JsonSchema, schema), text));

    [Theory]
    [InlineData("""{"type":"strin"}""", "type must be among")]
    [InlineData("""{"not":{"type":"string"}}""", "\"not\" is not supported")]
    [InlineData("""{"if":{},"then":{}}""", "\"if\" is not supported")]
    [InlineData("""{"type":"array","contains":{"type":"integer"}}""", "\"contains\" is not supported")]
    [InlineData("""{"type":"object","dependentRequired":{"a":["b"]}}""", "\"dependentRequired\" is not supported")]
    [InlineData("""{"type":"array","items":{"type":"integer"},"uniqueItems":true}""", "uniqueItems cannot be enforced")]
    [InlineData("""{"type":"integer","multipleOf":7}""", "multipleOf")]
    [InlineData("""{"type":"number","multipleOf":0.3}""", "multipleOf")]
    [InlineData("""{"type":"string","format":"color"}""", "format \"color\" is not supported")]
    [InlineData("""{"type":"string","pattern":"(?=a)b"}""", "lookahead")]
    [InlineData("""{"type":"string","minLength":5,"maxLength":3}""", "less than minLength")]
    [InlineData("""{"type":"string","minLength":-1}""", "whole number")]
    [InlineData("""{"type":"string","maxLength":1000000}""", "states")]
    [InlineData("""{"type":"integer","minimum":5,"maximum":4}""", "no number lies between")]
    [InlineData("""{"type":"integer","exclusiveMinimum":1,"exclusiveMaximum":2}""", "no integer lies between")]
    [InlineData("""{"$ref":"#/$defs/none"}""", "not there")]
    [InlineData("""{"$ref":"https://example.com/x"}""", "must point into this schema")]
    [InlineData("""{"$ref":"#"}""", "left recursion|matches no text")]
    [InlineData("""{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}""", "matches no text")]
    [InlineData("""{"oneOf":[{"type":"integer"},{"type":"number"}]}""", "both match")]
    [InlineData("""{"oneOf":[{"type":"object","properties":{"a":{"type":"integer"}}},{"type":"object","properties":{"b":{"type":"integer"}}}]}""", "both match")]
    [InlineData("""{"allOf":[{"type":"string"},{"type":"integer"}]}""", "no type in common")]
    [InlineData("""{"allOf":[{"pattern":"a"},{"pattern":"b"}]}""", "given twice")]
    [InlineData("""{"type":"object","properties":{"a":{}},"additionalProperties":false,"allOf":[{"properties":{"b":{}}}]}""", "forbids properties")]
    [InlineData("""{"type":"object","required":["a"],"additionalProperties":false}""", "is required, but")]
    [InlineData("""{"type":"object","minProperties":2}""", "keys could repeat")]
    [InlineData("""{"type":"array","prefixItems":[{}],"items":false,"minItems":2}""", "more than the 1 items")]
    [InlineData("""{"enum":[]}""", "no value")]
    [InlineData("""{"enum":["abc"],"minLength":5}""", "beside type only")]
    [InlineData("""{"type":"string","enum":[1,2]}""", "no value")]
    [InlineData("false", "matches no text")]
    [InlineData("[]", "must be a schema")]
    [InlineData("3", "must be a schema")]
    [InlineData("{", "not valid JSON")]
    [InlineData("""{"type":"object","type":"string"}""", "not valid JSON")]
    [InlineData("""{"properties":[]}""", "must be an object")]
    [InlineData("""{"properties":{"a":3}}""", "must be a schema")]
    [InlineData("""{"type":"string","pattern":3}""", "must be a string")]
    [InlineData("""{"const":"\ud800"}""", "not Unicode")]
    [InlineData("""{"properties":{"p":{"$ref":null}}}""", "must not be null")]
    [InlineData("""{"allOf":[{"$ref":null},{"type":"object"}]}""", "must not be null")]
    [InlineData("""{"allOf":[{"required":null},{"required":["a"]}]}""", "must not be null")]
    [InlineData("""{"anyOf":[null]}""", "must be a schema")]
    [InlineData("""{"frobnicate":1}""", "\"frobnicate\" is not supported")]
    public void What_cannot_be_enforced_is_refused_with_the_reason(string schema, string reason)
    {
        GrammarException refused = Assert.Throws<GrammarException>(() => ScriptedModel.Compile(GrammarKind.JsonSchema, schema));
        Assert.Contains(reason.Split('|'), part => refused.Message.Contains(part, StringComparison.Ordinal));
    }

    [Fact]
    public void A_pattern_for_blanks_takes_the_place_of_the_usual_ones()
    {
        var options = new GrammarOptions { JsonWhitespacePattern = "_?" };
        CompiledGrammar grammar = ScriptedModel.Compile(GrammarKind.JsonSchema, """{"type":"array","items":{"type":"integer"}}""", options);
        Assert.True(Accepts(grammar, "[_1,_2_]"));
        Assert.False(Accepts(grammar, "[1, 2]"));
    }

    private static async Task CheckAsync(string schema, int seed, int runs)
    {
        CompiledGrammar grammar = ScriptedModel.Compile(GrammarKind.JsonSchema, schema);
        JsonSchema oracle = await Oracle.OfAsync(schema);
        var model = new ScriptedModel(seed);
        for (int i = 0; i < runs; i++)
        {
            string text = Generate(model, grammar);
            var errors = oracle.Validate(Oracle.OneUnitEach(text));
            Assert.True(errors.Count == 0, $"seed {seed}: {text} is not valid by {schema}: {string.Join("; ", errors)}");
        }
    }

    private static string Generate(ScriptedModel model, CompiledGrammar grammar)
    {
        string text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(model.Generate(grammar, patience: 40));
        JsonNode.Parse(text, default, new() { MaxDepth = 1000 });
        return text;
    }

    private static bool Accepts(CompiledGrammar grammar, string text)
    {
        var matcher = new GrammarMatcher(grammar, [ScriptedModel.Eos]);
        foreach (byte value in Encoding.UTF8.GetBytes(text)) matcher.Accept(value + 1);
        return !matcher.IsDead && matcher.IsComplete;
    }
}
