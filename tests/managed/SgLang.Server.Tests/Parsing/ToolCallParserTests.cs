using System.Text;
using SgLang.Server.Parsing;

namespace SgLang.Server.Tests.Parsing;

public class ToolCallParserTests
{
    private static readonly string[] s_functions = ["get_weather", "add"];

    /// <summary>Form, text, and what is in it: content in {}, calls as name(arguments).</summary>
    public static TheoryData<string, string, string> Cases => new()
    {
        { "qwen", "no call here", "{no call here}" },
        { "qwen", "a < b, <tool and <tool_cal", "{a < b, <tool and <tool_cal}" },
        { "qwen", "Let me see.\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Zürich\", \"n\": [1, {\"x\": \"}\"}]}}\n</tool_call>", "{Let me see.}get_weather({\"city\": \"Zürich\", \"n\": [1, {\"x\": \"}\"}]})" },
        { "qwen", "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1}}\n</tool_call>\n<tool_call>\n{\"name\": \"add\", \"arguments\": {}}\n</tool_call>", "add({\"a\": 1})add({})" },
        { "qwen", "<tool_call>{\"arguments\": {\"a\": 1}, \"name\": \"add\"}</tool_call>", "add({\"a\": 1})" },
        { "qwen", "<tool_call>{\"name\": \"add\"}</tool_call>", "add({})" },
        { "qwen", "<tool_call>{\"name\": \"add\", \"arguments\": \"{\\\"a\\\": 2}\"}</tool_call>", "add({\"a\": 2})" },
        { "qwen", "<tool_call>{\"name\": \"add\", \"arguments\": {\"s\": \"q\\\"\\\\\"}}</tool_call>", "add({\"s\": \"q\\\"\\\\\"})" },
        { "qwen", "<tool_call>{\"name\": \"unknown\", \"arguments\": {}}</tool_call> bye", "{<tool_call>{\"name\": \"unknown\", \"arguments\": {}}</tool_call> bye}" },
        { "qwen", "<tool_call>not json</tool_call>", "{<tool_call>not json</tool_call>}" },
        { "qwen", "<tool_call>{\"name\": \"add\", \"arguments\": {\"a\": 1", "add({\"a\": 1)" },
        { "qwen", "<tool_call>{\"na", "{<tool_call>{\"na}" },
        { "qwen", "<tool_call>{\"name\": \"add\", \"arguments\": {}}</tool_call> and then", "add({}){ and then}" },
        { "llama3", "{\"name\": \"get_weather\", \"parameters\": {\"city\": \"Rome\"}}", "get_weather({\"city\": \"Rome\"})" },
        { "llama3", "<|python_tag|>{\"name\": \"add\", \"parameters\": {\"a\": 1}}; {\"name\": \"add\", \"parameters\": {\"a\": 2}}", "add({\"a\": 1})add({\"a\": 2})" },
        { "llama3", "Sure. <|python_tag|>{\"name\": \"add\", \"parameters\": {}}", "{Sure.}add({})" },
        { "llama3", "Just {\"name\": \"add\"} in text", "{Just {\"name\": \"add\"} in text}" },
        { "llama3", "{\"answer\": 42}", "{{\"answer\": 42}}" },
        { "llama3", "<|python_tag|>print(1)", "{<|python_tag|>print(1)}" },
        { "llama3", "{\"name\": \"Bob\", \"age\": 3}", "{{\"name\": \"Bob\", \"age\": 3}}" },
        { "llama3", "{\"type\": \"function\", \"name\": \"add\", \"parameters\": {\"a\": null}}", "add({\"a\": null})" },
        { "deepseekv3", "Hm.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{\"city\": \"Rome\"}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>add\n```json\n{\"a\":\n 1}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>", "{Hm.}get_weather({\"city\": \"Rome\"})add({\"a\":\n 1})" },
        { "deepseekv3", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>nope\n```json\n{}\n```<｜tool▁call▁end｜>", "{<｜tool▁call▁begin｜>function<｜tool▁sep｜>nope\n```json\n{}\n```<｜tool▁call▁end｜>}" },
        { "deepseekv3", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>add\n```json\n{\"a\": 1", "add({\"a\": 1)" },
        { "deepseekv3", "plain", "{plain}" },
        { "deepseekv31", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>add<｜tool▁sep｜>{\"a\": \"```\"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>", "add({\"a\": \"```\"})" },
        { "list", "[{\"name\": \"add\", \"parameters\": {\"a\": 1}}, {\"name\": \"get_weather\", \"parameters\": {}}]", "add({\"a\": 1})get_weather({})" },
        { "list", "[{\"name\": \"add\", \"parameters\": {\"a\": 1", "add({\"a\": 1)" },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Calls_are_found_wherever_the_text_is_cut(string form, string text, string expected)
    {
        Assert.Equal(expected, Parse(form, [text]));
        Assert.Equal(expected, Parse(form, [.. text.Select(c => c.ToString())]));
        for (int cut = 0; cut <= text.Length; cut++) Assert.Equal(expected, Parse(form, [text[..cut], text[cut..]]));
        int seed = System.Random.Shared.Next();
        var random = new System.Random(seed);
        for (int run = 0; run < 50; run++)
        {
            var pieces = new List<string>();
            for (int at = 0; at < text.Length;)
            {
                int length = Math.Min(text.Length - at, random.Next(1, 9));
                pieces.Add(text.Substring(at, length));
                at += length;
            }
            Assert.True(expected == Parse(form, pieces), $"seed {seed}, pieces {string.Join('|', pieces)}");
        }
    }

    [Fact]
    public void Arguments_come_while_they_are_written()
    {
        ToolCallParser parser = Create("qwen");
        var parts = new List<ParsedPart>();
        parser.Append("<tool_call>{\"name\": \"add\", \"arguments\": {\"a\": 1", parts);
        Assert.Equal([new ParsedPart(ParsedKind.CallBegin, "add", 0), new ParsedPart(ParsedKind.CallArguments, "{\"a\": 1", 0)], parts);
    }

    [Fact]
    public void Content_comes_while_it_is_written()
    {
        ToolCallParser parser = Create("qwen");
        var parts = new List<ParsedPart>();
        parser.Append("some text", parts);
        Assert.Equal([new ParsedPart(ParsedKind.Content, "some text")], parts);
    }

    [Fact]
    public void Every_name_of_the_launch_flag_has_a_parser()
    {
        foreach (string name in ServerOptions.ToolCallParsers) ParserNames.CreateToolCalls(name, s_functions);
    }

    private static ToolCallParser Create(string form) => form == "list" ? new JsonListCallParser(s_functions) : ParserNames.CreateToolCalls(form, s_functions);

    private static string Parse(string form, IReadOnlyList<string> pieces)
    {
        ToolCallParser parser = Create(form);
        var parts = new List<ParsedPart>();
        foreach (string piece in pieces) parser.Append(piece, parts);
        parser.End(parts);
        var shown = new StringBuilder();
        ParsedKind? last = null;
        foreach (ParsedPart part in parts)
        {
            bool continues = last == part.Kind && part.Kind == ParsedKind.Content;
            if (last == ParsedKind.Content && !continues) shown.Append('}');
            if (last is ParsedKind.CallBegin or ParsedKind.CallArguments && part.Kind is ParsedKind.CallBegin or ParsedKind.Content && last is not ParsedKind.Content) shown.Append(')');
            if (part.Kind == ParsedKind.Content && !continues) shown.Append('{');
            shown.Append(part.Text);
            if (part.Kind == ParsedKind.CallBegin) shown.Append('(');
            last = part.Kind;
        }
        if (last is not null) shown.Append(last == ParsedKind.Content ? '}' : ')');
        return shown.ToString();
    }
}
