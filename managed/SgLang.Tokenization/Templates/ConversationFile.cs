using System.Text.Json;
using SgLang.Tokenization.Loading;

namespace SgLang.Tokenization.Templates;

/// <summary>
/// A chat template as a .json file in SGLang's form: name, system, user, assistant, sep_style, sep, stop_str and optionally system_message.
/// It becomes Jinja, so that one engine renders all.
/// </summary>
internal static class ConversationFile
{
    private const string Styles = "ADD_COLON_SINGLE, ADD_NEW_LINE_SINGLE, CHATML, NO_COLON_SINGLE";

    /// <summary>Throws <see cref="TokenizerException"/> naming the file and what is wrong.</summary>
    public static TemplateSource Read(string path) =>
        ModelFile.ReadJson(path, Read) ?? throw new TokenizerException($"{path} does not exist");

    private static TemplateSource Read(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object)
        {
            throw new TokenizerException($"the root is {JsonReading.Kind(root)}; an object is expected");
        }

        string style = root.Text("sep_style", "$");
        string separator = root.Text("sep", "$", "\n");
        // What stands between a role and its message, after a message, and after a role that is to answer.
        (string between, string after, string open) = style switch
        {
            "ADD_COLON_SINGLE" => (": ", separator, ":"),
            "ADD_NEW_LINE_SINGLE" => ("\n", separator, "\n"),
            "CHATML" => ("\n", separator + "\n", "\n"),
            "NO_COLON_SINGLE" => ("", separator, ""),
            _ => throw new TokenizerException($"$.sep_style is \"{style}\"; supported: {Styles}"),
        };
        string system = Literal(root.Text("system", "$") + "\n");
        string user = root.Text("user", "$"), assistant = root.Text("assistant", "$");
        return new TemplateSource($$$"""
            {%- set ns = namespace(system={{{Literal(root.Text("system_message", "$", ""))}}}) %}
            {%- for message in messages %}{% if message.role in ['system', 'developer'] %}{% set ns.system = message.content %}{% endif %}{% endfor %}
            {{- {{{system}}} + ns.system + {{{Literal(style == "NO_COLON_SINGLE" ? "" : after)}}} }}
            {%- for message in messages %}
            {%- if message.role == 'user' %}{{ {{{Literal(user + between)}}} + message.content + {{{Literal(after)}}} }}
            {%- elif message.role == 'assistant' %}{{ {{{Literal(assistant + between)}}} + message.content + {{{Literal(after)}}} }}
            {%- elif message.role == 'tool' %}{{ raise_exception('this chat template has no place for messages of role tool') }}
            {%- endif %}{% endfor %}
            {%- if add_generation_prompt %}{{ {{{Literal(assistant + open)}}} }}{% endif %}
            """, Stops(root));
    }

    private static IReadOnlyList<string> Stops(JsonElement root) => root.Member("stop_str") switch
    {
        null => [],
        { ValueKind: JsonValueKind.String } one => [one.GetString()!],
        { ValueKind: JsonValueKind.Array } many => [.. many.EnumerateArray().Select((item, i) => item.ValueKind == JsonValueKind.String
            ? item.GetString()!
            : throw new TokenizerException($"$.stop_str[{i}] is {JsonReading.Kind(item)}; a string is expected"))],
        { } other => throw new TokenizerException($"$.stop_str is {JsonReading.Kind(other)}; a string or a list of strings is expected"),
    };

    /// <summary>A Jinja string of the text.</summary>
    private static string Literal(string text) =>
        $"'{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal)}'";
}
