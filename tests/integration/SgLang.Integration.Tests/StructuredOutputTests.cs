using System.Text.Json.Nodes;

namespace SgLang.Integration.Tests;

public class StructuredOutputTests(DemoServer demo)
{
    private const string Schema = """{"type":"object","properties":{"city":{"type":"string","maxLength":10},"n":{"type":"integer","minimum":1,"maximum":9}},"required":["city","n"],"additionalProperties":false}""";

    [Theory]
    [InlineData("")]
    [InlineData("\"stream\":true,")]
    public async Task Native_requests_take_regex_schema_and_ebnf(string stream)
    {
        Assert.Matches("^[a-f]{3}-[0-9]{2}$", await TextAsync("\"regex\":\"[a-f]{3}-[0-9]{2}\""));
        CheckCity(await TextAsync($"\"json_schema\":{JsonValue.Create(Schema).ToJsonString()}"));
        Assert.Contains(await TextAsync("\"ebnf\":\"root ::= \\\"left\\\" | \\\"right\\\"\""), new[] { "left", "right" });

        async Task<string> TextAsync(string grammar)
        {
            string body = $$"""{"text":"The",{{stream}}"sampling_params":{"temperature":1.3,"max_new_tokens":100,{{grammar}} } }""";
            JsonNode answer = stream.Length == 0 ? await demo.PostOkAsync("/generate", body) : (await demo.StreamAsync("/generate", body))[^1];
            Assert.Equal("stop", (string?)answer["meta_info"]!["finish_reason"]!["type"]);
            return (string)answer["text"]!;
        }
    }

    [Fact]
    public async Task Chat_takes_response_format()
    {
        string body = $$"""{"messages":[{"role":"user","content":"Hi"}],"max_tokens":100,"temperature":1.2,"response_format":{"type":"json_schema","json_schema":{"name":"c","schema":{{Schema}},"strict":true} } }""";
        JsonNode answer = await demo.PostOkAsync("/v1/chat/completions", body);
        CheckCity((string)answer["choices"]![0]!["message"]!["content"]!);
        Assert.Equal("stop", (string?)answer["choices"]![0]!["finish_reason"]);
    }

    [Fact]
    public async Task A_structural_tag_binds_what_follows_its_triggers()
    {
        const string Tag = """{"type":"structural_tag","structures":[{"begin":"{\"name\": ","schema":{"enum":["add","sub"]},"end":"}"}],"triggers":["{"]}""";
        const string OnlyTag = """{"type":"structural_tag","format":{"type":"tag","begin":"<n>","content":{"type":"json_schema","json_schema":{"type":"integer","minimum":1,"maximum":9}},"end":"</n>"}}""";
        JsonNode chat = await demo.PostOkAsync("/v1/chat/completions", $$"""{"messages":[{"role":"user","content":"Hi"}],"max_tokens":60,"temperature":1.2,"response_format":{{OnlyTag}} }""");
        Assert.Matches("^<n>[1-9]</n>$", (string?)chat["choices"]![0]!["message"]!["content"]);
        // The model is made to open the tag at once.
        JsonNode native = await demo.PostOkAsync("/generate",
            $$"""{"text":"The","sampling_params":{"structural_tag":{{Tag}},"max_new_tokens":40,"temperature":0,"logit_bias":{"{{await BraceAsync()}}":100} } }""");
        Assert.Matches("""^(\{"name": "(add|sub)"\})+""", (string?)native["text"]);
        (int status, JsonNode? body) = await demo.PostAsync("/generate", """{"text":"The","sampling_params":{"structural_tag":{"structures":[]}}}""");
        Assert.Equal((400, "structural_tag: #.triggers must be a list, got nothing."), (status, (string?)body!["error"]!["message"]));
    }

    private async Task<int> BraceAsync() => (int)(await demo.PostOkAsync("/tokenize", """{"prompt":"{","add_special_tokens":false}"""))["tokens"]![0]!;

    [Fact]
    public async Task Grammars_are_counted_in_the_metrics()
    {
        await using Server.ServerHost host = await demo.StartHostAsync(new Server.ServerOptions { EnableMetrics = true });
        using HttpClient client = DemoServer.ClientOf(host);
        string before = await client.GetStringAsync("/metrics");
        string body = $$"""{"text":"The","sampling_params":{"regex":"counted{{Random.Shared.Next()}}","temperature":0} }""";
        for (int i = 0; i < 2; i++) Assert.Equal(200, (await DemoServer.PostAsync(client, "/generate", body)).Status);
        string after = await client.GetStringAsync("/metrics");
        Assert.Equal((2, 1, 0), (Grown("num_grammar_total"), Grown("num_grammar_cache_hit_total"), Grown("num_grammar_aborted_total")));
        Assert.Equal(1, Grown("grammar_compilation_time_seconds_count"));
        Assert.Contains("sglang:num_grammar_timeout_total{", after);

        double Grown(string name) => Value(after, name) - Value(before, name);

        static double Value(string text, string name) => text.Split('\n').Where(line => line.StartsWith($"sglang:{name}{{", StringComparison.Ordinal))
            .Select(line => double.Parse(line[(line.LastIndexOf(' ') + 1)..], System.Globalization.CultureInfo.InvariantCulture)).Single();
    }

    [Fact]
    public async Task Completions_take_a_schema_for_each_of_n()
    {
        JsonNode answer = await demo.PostOkAsync("/v1/completions", $$"""{"prompt":"The","n":4,"max_tokens":100,"temperature":1.2,"json_schema":{{Schema}}}""");
        foreach (JsonNode? choice in answer["choices"]!.AsArray()) CheckCity((string)choice!["text"]!);
    }

    [Fact]
    public async Task A_refused_grammar_is_a_plain_400_for_a_stream_too()
    {
        (int status, JsonNode? body) = await demo.PostAsync("/v1/chat/completions",
            """{"messages":[{"role":"user","content":"Hi"}],"stream":true,"response_format":{"type":"json_schema","json_schema":{"name":"c","schema":{"type":"string","format":"color"}}}}""");
        Assert.Equal(400, status);
        Assert.StartsWith("json_schema: #.format \"color\" is not supported", (string)body!["message"]!);
    }

    private static void CheckCity(string text)
    {
        JsonNode value = JsonNode.Parse(text)!;
        Assert.Equal(["city", "n"], value.AsObject().Select(p => p.Key));
        Assert.InRange((int)value["n"]!, 1, 9);
    }
}
