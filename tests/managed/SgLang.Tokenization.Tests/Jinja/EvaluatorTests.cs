using System.Text.Json.Nodes;

namespace SgLang.Tokenization.Tests.Jinja;

/// <summary>Templates that Jinja2 itself has rendered (make-jinja-golden.py).</summary>
public sealed class EvaluatorTests
{
    private static readonly JsonObject s_golden = JsonNode.Parse(File.ReadAllText(Path.Combine(TestPaths.Root, "tests", "data", "tokenizers", "jinja_golden.json")))!.AsObject();

    public static TheoryData<int> Cases => [.. Enumerable.Range(0, s_golden["cases"]!.AsArray().Count)];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Templates_render_as_Jinja2_renders_them(int index)
    {
        JsonObject sample = s_golden["cases"]![index]!.AsObject();
        string source = s_golden["templates"]![sample["template"]!.GetValue<int>()]!.GetValue<string>();
        JsonObject values = (sample["values"] ?? s_golden["values"])!.AsObject();
        string Render() => ChatTemplate.Parse(source, specialTokens: null, new FixedTime(DateTime.Parse(s_golden["now"]!.GetValue<string>(), System.Globalization.CultureInfo.InvariantCulture)))
            .Render([], null, addGenerationPrompt: false, values);
        if (sample["rendered"] is { } rendered)
        {
            Assert.Equal($"{source}\n=> {rendered.GetValue<string>()}", $"{source}\n=> {Render()}");
            return;
        }

        string reason = sample["error"]!.GetValue<string>();
        var error = Assert.Throws<ChatTemplateException>(() => Render());
        if (reason.StartsWith("TemplateError: ", StringComparison.Ordinal))
        {
            Assert.Equal(reason["TemplateError: ".Length..], error.Message);
        }
    }

    private sealed class FixedTime(DateTime now) : TimeProvider
    {
        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => new(now, TimeSpan.Zero);
    }
}
