using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using SgLang.Core;
using SgLang.Grammars.Matching;

namespace SgLang.Grammars.Tests.Json;

public class StructuralTagTests
{
    private const string Functions = """
        {"structures":[
           {"begin":"<f=add>","schema":{"type":"object","properties":{"a":{"type":"integer","minimum":0,"maximum":9}},"required":["a"],"additionalProperties":false},"end":"</f>"},
           {"begin":"<f=now>","schema":{"type":"array","items":{"$ref":"#/$defs/b"},"maxItems":2,"$defs":{"b":{"type":"boolean"}}},"end":"</f>"}],
         "triggers":["<f="]}
        """;

    private static readonly System.Text.RegularExpressions.Regex s_tag = new("<f=(add|now)>(.*?)</f>", RegexOptions.Singleline);

    private static bool Matches(string tag, string text)
    {
        CompiledGrammar grammar = ScriptedModel.Compile(GrammarKind.StructuralTag, tag);
        var matcher = new GrammarMatcher(grammar, [ScriptedModel.Eos]);
        int[] mask = new int[grammar.MaskWords];
        foreach (byte part in Encoding.UTF8.GetBytes(text))
        {
            int id = Enumerable.Range(1, ScriptedModel.Vocabulary.Bytes.Count - 1).First(i => ScriptedModel.BytesOf(i) is [var single] && single == part);
            Assert.True(matcher.TryFillMask(mask));
            if ((mask[id / 32] >> (id % 32) & 1) == 0) return false;
            matcher.Accept(id);
        }
        return matcher.IsComplete;
    }

    [Theory]
    [InlineData("", true)]
    [InlineData("plain text, <f> and < too", true)]
    [InlineData("<f=add>{\"a\":1}</f>", true)]
    [InlineData("text <f=add>{\"a\": 1}</f> more <f=now>[true,false]</f><f=now>[]</f> end", true)]
    [InlineData("<<f=now>[]</f>", true)]
    [InlineData("<f=add>{\"a\":1}", false)]
    [InlineData("<f=add>{\"a\":10}</f>", false)]
    [InlineData("<f=sub>", false)]
    [InlineData("<f=", false)]
    public void Only_a_trigger_binds_what_follows(string text, bool isInside) => Assert.Equal(isInside, Matches(Functions, text));

    [Fact]
    public void Whatever_is_drawn_every_tag_holds_its_schema()
    {
        int seed = Random.Shared.Next();
        CompiledGrammar grammar = ScriptedModel.Compile(GrammarKind.StructuralTag, Functions);
        var model = new ScriptedModel(seed);
        for (int i = 0; i < 60; i++)
        {
            string text = Encoding.UTF8.GetString(model.Generate(grammar, patience: 40));
            string rest = s_tag.Replace(text, match =>
            {
                JsonElement value = JsonDocument.Parse(match.Groups[2].Value).RootElement;
                if (match.Groups[1].Value == "add") Assert.InRange(value.GetProperty("a").GetInt32(), 0, 9);
                else Assert.InRange(value.GetArrayLength(), 0, 2);
                return "";
            });
            Assert.False(rest.Contains("<f=add>") || rest.Contains("<f=now>"), $"seed {seed}: {text}");
        }
    }

    [Theory]
    [InlineData("""{"format":{"type":"const_string","value":"yes"}}""", "yes", true)]
    [InlineData("""{"format":{"type":"regex","pattern":"a{2}|b"}}""", "aa", true)]
    [InlineData("""{"format":{"type":"sequence","elements":[{"type":"const_string","value":"n="},{"type":"json_schema","json_schema":{"type":"integer","minimum":1,"maximum":5}}]}}""", "n=3", true)]
    [InlineData("""{"format":{"type":"sequence","elements":[{"type":"const_string","value":"n="},{"type":"json_schema","json_schema":{"type":"integer","minimum":1,"maximum":5}}]}}""", "n=6", false)]
    [InlineData("""{"format":{"type":"or","elements":[{"type":"const_string","value":"a"},{"type":"const_string","value":"b"}]}}""", "b", true)]
    [InlineData("""{"format":{"type":"tag","begin":"<t>","content":{"type":"any_text"},"end":"</t>"}}""", "<t>free < text</t>", true)]
    [InlineData("""{"format":{"type":"tag","begin":"<t>","content":{"type":"any_text"},"end":"</t>"}}""", "<t>a</t>b</t>", false)]
    [InlineData("""{"format":{"type":"triggered_tags","triggers":["<"],"tags":[{"begin":"<x>","content":{"type":"const_string","value":"1"},"end":"."}],"at_least_one":true}}""", "<x>1. and", true)]
    [InlineData("""{"format":{"type":"triggered_tags","triggers":["<"],"tags":[{"begin":"<x>","content":{"type":"const_string","value":"1"},"end":"."}],"at_least_one":true}}""", "and", false)]
    [InlineData("""{"format":{"type":"triggered_tags","triggers":["<"],"tags":[{"begin":"<x>","content":{"type":"const_string","value":"1"},"end":"."}],"stop_after_first":true}}""", "and <x>1.", true)]
    [InlineData("""{"format":{"type":"triggered_tags","triggers":["<"],"tags":[{"begin":"<x>","content":{"type":"const_string","value":"1"},"end":"."}],"stop_after_first":true}}""", "and <x>1. more", false)]
    [InlineData("""{"format":{"type":"tags_with_separator","separator":", ","tags":[{"begin":"[","content":{"type":"const_string","value":"1"},"end":"]"}],"at_least_one":true}}""", "[1], [1]", true)]
    [InlineData("""{"format":{"type":"tags_with_separator","separator":", ","tags":[{"begin":"[","content":{"type":"const_string","value":"1"},"end":"]"}],"at_least_one":true}}""", "", false)]
    public void Formats_nest(string tag, string text, bool isInside) => Assert.Equal(isInside, Matches(tag, text));

    [Theory]
    [InlineData("[]", "# must be an object, got []")]
    [InlineData("{", "it is not valid JSON")]
    [InlineData("{}", "#.structures must be a list, got nothing")]
    [InlineData("""{"structures":[],"triggers":["a"]}""", "structures must not be empty")]
    [InlineData("""{"structures":[{"begin":"x","schema":{},"end":""}],"triggers":[]}""", "triggers must not be empty")]
    [InlineData("""{"structures":[{"begin":"x","schema":{},"end":""}],"triggers":[""]}""", "a trigger must not be empty")]
    [InlineData("""{"structures":[{"begin":"x","schema":{},"end":""}],"triggers":["y"]}""", "structures[0].begin must start with one of the triggers, got \"x\"")]
    [InlineData("""{"structures":[{"begin":"x","schema":{"type":"thing"},"end":""}],"triggers":["x"]}""", "structures[0].schema: ")]
    [InlineData("""{"structures":[{"begin":"x","end":""}],"triggers":["x"]}""", "structures[0].schema is required")]
    [InlineData("""{"structures":[{"begin":7,"schema":{},"end":""}],"triggers":["x"]}""", "structures[0].begin must be a string, got 7")]
    [InlineData("""{"format":{"type":"grammar","grammar":"root ::= a"}}""", "format.type must be one of const_string")]
    [InlineData("""{"format":{"type":"any_text","excludes":["a"]}}""", "format: excludes is not supported")]
    [InlineData("""{"format":{"type":"const_string"}}""", "format.value is required")]
    public void What_is_wrong_is_named(string tag, string message) =>
        Assert.StartsWith(message, Assert.Throws<GrammarException>(() => ScriptedModel.Compile(GrammarKind.StructuralTag, tag)).Message);
}
