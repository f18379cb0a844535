using System.Text;
using SgLang.Core;
using SgLang.Grammars.Matching;

namespace SgLang.Grammars.Tests.Ebnf;

public class EbnfTests
{
    private const string Arithmetic = """
        # sums of products
        root   ::= expr
        expr   ::= term (("+" | "-") term)*
        term   ::= factor ([*/] factor)*
        factor ::= number | "(" expr ")"
        number ::= [0-9]{1,3}
        """;

    [Fact]
    public void Nested_brackets_close()
    {
        int seed = Random.Shared.Next();
        CompiledGrammar grammar = ScriptedModel.Compile(GrammarKind.Ebnf, "root ::= item*\nitem ::= \"[\" item* \"]\" | \"{\" item* \"}\"");
        var model = new ScriptedModel(seed);
        for (int i = 0; i < 50; i++)
        {
            string text = Encoding.ASCII.GetString(model.Generate(grammar, patience: 30));
            var open = new Stack<char>();
            foreach (char c in text)
            {
                if (c is '[' or '{') open.Push(c == '[' ? ']' : '}');
                else Assert.True(open.TryPop(out char expected) && expected == c, $"seed {seed}: {text}");
            }
            Assert.True(open.Count == 0, $"seed {seed}: {text}");
        }
    }

    [Theory]
    [InlineData("1+2*3", true)]
    [InlineData("((1))", true)]
    [InlineData("(1+2)*(3-444)", true)]
    [InlineData("(1", false)]
    [InlineData("1+", false)]
    [InlineData("1234", false)]
    public void Recursive_rules_count_their_brackets(string text, bool isInside) => Assert.Equal(isInside, Matches(Arithmetic, text));

    [Theory]
    [InlineData("root ::= 'a' | \"b\"", "b", true)]
    [InlineData("root ::= [^ab]+ end\nend ::= \"\\n\"", "xyz\n", true)]
    [InlineData("root ::= \"\\u65e5\" .", "日本", true)]
    [InlineData("root ::= a-b? a_2\na-b ::= \"x\"\na_2 ::= \"y\"", "y", true)]
    [InlineData("root ::=\n  \"a\"\n  \"b\" # the end\n", "ab", true)]
    [InlineData("root ::= \"a\"{2,} \"b\"{1}", "aaab", true)]
    [InlineData("root ::= \"a\"{2,} \"b\"{1}", "ab", false)]
    [InlineData("root ::= list\nlist ::= \"x\" | \"x,\" list", "x,x,x", true)]
    [InlineData("root ::= (\"a\" | )* \"b\"", "aab", true)]
    [InlineData("root ::= none* \"b\"\nnone ::= \"\" | \"a\"*", "aab", true)]
    public void Notation_is_understood(string grammar, string text, bool isInside) => Assert.Equal(isInside, Matches(grammar, text));

    [Theory]
    [InlineData("", "no rule 'root'")]
    [InlineData("a ::= \"x\"", "no rule 'root'")]
    [InlineData("root ::= b", "'b' is used but not defined")]
    [InlineData("root ::= \"a\"\nroot ::= \"b\"", "line 2, column 1: rule 'root' is defined twice")]
    [InlineData("root ::= \"a", "no end")]
    [InlineData("root ::= (\"a\"", "no end")]
    [InlineData("root = \"a\"", "'::=' is expected")]
    [InlineData("root ::= \"a\" )", "is expected")]
    [InlineData("root ::= root \"a\" | \"b\"", "left recursion")]
    [InlineData("root ::= e a\na ::= root | \"x\"\ne ::= \"\"", "left recursion")]
    [InlineData("root ::= \"a\" root", "matches no text")]
    [InlineData("root ::= \"a\"{3,1}", "wrong order")]
    [InlineData("root ::= (=\"a\") \"b\"", "lookahead")]
    public void What_cannot_be_served_is_refused_with_the_reason(string grammar, string reason)
    {
        GrammarException refused = Assert.Throws<GrammarException>(() => ScriptedModel.Compile(GrammarKind.Ebnf, grammar));
        Assert.Contains(reason, refused.Message);
    }

    private static bool Matches(string grammar, string text)
    {
        var matcher = new GrammarMatcher(ScriptedModel.Compile(GrammarKind.Ebnf, grammar), [ScriptedModel.Eos]);
        foreach (byte value in Encoding.UTF8.GetBytes(text)) matcher.Accept(value + 1);
        return !matcher.IsDead && matcher.IsComplete;
    }
}
