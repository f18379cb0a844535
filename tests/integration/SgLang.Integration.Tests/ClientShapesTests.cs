using System.Text.Json.Nodes;
using SgLang.Server;

namespace SgLang.Integration.Tests;

/// <summary>
/// What clients made for OpenAI, vLLM and SGLang send: fields that are honoured show in the answer, fields that change nothing are taken, and
/// what cannot be honoured is refused by name.
/// </summary>
public sealed class ClientShapesTests(DemoServer demo)
{
    private const string Messages = "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"temperature\":0,";
    private const string Prompt = "\"prompt\":\"The\",\"temperature\":0,";
    private const string Tool = "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\",\"strict\":true,\"parameters\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":3}},\"required\":[\"a\"],\"additionalProperties\":false}}}],";

    private static string PathOf(string body) => body.Contains("\"messages\"") ? "/v1/chat/completions" : "/v1/completions";

    [Theory]
    // OpenAI's client, with every field that it knows and that changes nothing here.
    [InlineData(Messages + "\"model\":\"gpt\",\"max_completion_tokens\":3,\"ignore_eos\":true,\"store\":false,\"metadata\":{\"a\":\"b\"},\"service_tier\":\"auto\",\"user\":\"u\",\"modalities\":[\"text\"],\"prediction\":null,\"reasoning_effort\":\"low\",\"verbosity\":\"low\",\"prompt_cache_key\":\"k\",\"safety_identifier\":\"s\",\"parallel_tool_calls\":true", "usage.completion_tokens", "3")]
    [InlineData(Messages + "\"max_tokens\":9,\"max_completion_tokens\":2,\"ignore_eos\":true", "usage.completion_tokens", "2")]
    [InlineData(Messages + "\"max_tokens\":2,\"n\":2,\"logit_bias\":{},\"stop\":null,\"seed\":7,\"presence_penalty\":0,\"frequency_penalty\":0", "choices.1.index", "1")]
    [InlineData(Messages + "\"max_tokens\":2,\"logprobs\":true", "choices.0.logprobs.content.0.top_logprobs", "[]")]
    [InlineData(Messages + "\"max_tokens\":2,\"logprobs\":true,\"top_logprobs\":1", "choices.0.logprobs.content.0.top_logprobs.0.bytes.0", null)]
    [InlineData(Messages + "\"max_tokens\":2,\"logprobs\":false,\"top_logprobs\":0", "choices.0.logprobs", "null")]
    [InlineData(Messages + "\"max_tokens\":2,\"response_format\":{\"type\":\"text\"}", "choices.0.message.role", "\"assistant\"")]
    [InlineData(Messages + "\"max_tokens\":60,\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"strict\":true,\"schema\":{\"const\":1}}}", "choices.0.message.content", "\"1\"")]
    [InlineData(Messages + Tool + "\"max_tokens\":2,\"tool_choice\":\"none\"", "choices.0.message.tool_calls", "null")]
    [InlineData(Messages + Tool + "\"max_tokens\":2,\"tool_choice\":\"auto\"", "choices.0.message.tool_calls", "null")]
    [InlineData(Messages + Tool + "\"max_tokens\":200,\"tool_choice\":\"required\",\"parallel_tool_calls\":false", "choices.0.finish_reason", "\"tool_calls\"")]
    [InlineData(Messages + Tool + "\"max_tokens\":200,\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}", "choices.0.message.tool_calls.0.function.name", "\"f\"")]
    // vLLM's.
    [InlineData(Messages + "\"max_tokens\":2,\"ignore_eos\":true,\"min_tokens\":1,\"top_k\":5,\"min_p\":0.0,\"repetition_penalty\":1.0,\"length_penalty\":1.0,\"add_generation_prompt\":true,\"use_beam_search\":false,\"skip_special_tokens\":true,\"spaces_between_special_tokens\":true,\"prompt_logprobs\":null", "usage.completion_tokens", "2")]
    [InlineData(Messages + "\"max_tokens\":40,\"guided_json\":{\"const\":2}", "choices.0.message.content", "\"2\"")]
    [InlineData(Messages + "\"max_tokens\":40,\"guided_regex\":\"ab\"", "choices.0.message.content", "\"ab\"")]
    [InlineData(Messages + "\"max_tokens\":40,\"guided_grammar\":\"root ::= \\\"cd\\\"\"", "choices.0.message.content", "\"cd\"")]
    [InlineData(Messages + "\"max_tokens\":40,\"guided_choice\":[\"a.b (c)\"]", "choices.0.message.content", "\"a.b (c)\"")]
    [InlineData(Messages + "\"max_tokens\":40,\"structured_outputs\":{\"choice\":[\"yes|\"]}", "choices.0.message.content", "\"yes|\"")]
    [InlineData(Messages + "\"max_tokens\":40,\"regex\":\"ab\",\"stop\":[\"b\"],\"include_stop_str_in_output\":true", "choices.0.message.content", "\"ab\"")]
    // SGLang's.
    [InlineData(Messages + "\"max_tokens\":2,\"rid\":\"shape-1\",\"separate_reasoning\":true,\"stream_reasoning\":true,\"chat_template_kwargs\":{\"enable_thinking\":false},\"return_meta_info\":true", "choices.0.meta_info.id", "\"shape-1\"")]
    // Completions of all three.
    [InlineData(Prompt + "\"max_tokens\":2,\"ignore_eos\":true,\"best_of\":1,\"suffix\":null,\"user\":\"u\",\"logprobs\":null,\"stream_options\":null", "usage.completion_tokens", "2")]
    [InlineData(Prompt + "\"max_tokens\":1,\"n\":2,\"best_of\":2", "choices.1.index", "1")]
    [InlineData(Prompt + "\"max_tokens\":1,\"logprobs\":0", "choices.0.logprobs.text_offset", "[-1]")]
    [InlineData(Prompt + "\"max_tokens\":1,\"suffix\":\"\",\"min_tokens\":0", "object", "\"text_completion\"")]
    public async Task Honoured_fields_show(string fields, string path, string? value)
    {
        string body = $"{{{fields}}}";
        JsonNode? at = await demo.PostOkAsync(PathOf(body), body);
        foreach (string step in path.Split('.')) at = int.TryParse(step, out int index) ? at!.AsArray()[index] : at!.AsObject()[step];
        if (value is null) Assert.NotNull(at);
        else Assert.Equal(value, at?.ToJsonString() ?? "null");
    }

    [Fact]
    public async Task Echo_puts_the_prompt_before_the_completion()
    {
        JsonNode answer = await demo.PostOkAsync("/v1/completions", $"{{{Prompt}\"max_tokens\":2,\"echo\":true,\"logprobs\":1}}");
        Assert.StartsWith("The", (string?)answer["choices"]![0]!["text"]);
        Assert.Equal((int)answer["usage"]!["total_tokens"]!, answer["choices"]![0]!["logprobs"]!["tokens"]!.AsArray().Count);
    }

    [Theory]
    [InlineData("{\"include_usage\":true}", false, true)]
    [InlineData("{\"include_usage\":true,\"continuous_usage_stats\":true}", true, true)]
    [InlineData("{\"include_usage\":false,\"include_obfuscation\":false}", false, false)]
    [InlineData("null", false, false)]
    public async Task Stream_options_say_where_usage_comes(string options, bool inEach, bool atTheEnd)
    {
        foreach (string start in new[] { Messages, Prompt })
        {
            string body = $"{{{start}\"max_tokens\":3,\"stream\":true,\"stream_options\":{options}}}";
            List<JsonNode> events = await demo.StreamAsync(PathOf(body), body);
            bool endsWithUsage = events[^1]["choices"]!.AsArray().Count == 0;
            Assert.Equal(atTheEnd, endsWithUsage);
            if (endsWithUsage) Assert.True((int)events[^1]["usage"]!["completion_tokens"]! > 0);
            Assert.All(events.SkipLast(endsWithUsage ? 1 : 0), chunk => Assert.Equal(inEach, chunk["usage"] is not null));
        }
    }

    [Theory]
    [InlineData(Prompt + "\"suffix\":\"end\"", "suffix is not supported by this server; remove it from the request.")]
    [InlineData(Prompt + "\"best_of\":3", "best_of must be n (1), got 3: this server returns every completion that it generates.")]
    [InlineData(Prompt + "\"use_beam_search\":true", "use_beam_search is not supported by this server; remove it from the request.")]
    [InlineData(Prompt + "\"prompt_logprobs\":1", "prompt_logprobs is not supported by this server; remove it from the request.")]
    [InlineData(Prompt + "\"truncate_prompt_tokens\":5", "truncate_prompt_tokens is not supported by this server; remove it from the request.")]
    [InlineData(Prompt + "\"guided_choice\":[]", "A choice must have at least one text.")]
    [InlineData(Prompt + "\"guided_regex\":\"a\",\"guided_json\":{}", "Only one of regex, json_schema, or ebnf can be set.")]
    [InlineData(Prompt + "\"lora_path\":\"l\"", "lora_path is not supported by this server; remove it from the request.")]
    [InlineData(Prompt + "\"logprobs\":true", "logprobs must be an integer, got true.")]
    [InlineData(Messages + "\"logprobs\":5", "logprobs must be true or false, got 5.")]
    [InlineData(Messages + "\"response_format\":{\"type\":\"json_schema\"}", "response_format.json_schema.schema is required for response_format of type \"json_schema\".")]
    [InlineData(Messages + "\"tool_choice\":\"required\"", "tool_choice \"required\" needs tools, and the request has none.")]
    [InlineData(Messages + Tool + "\"tool_choice\":\"maybe\"", "tool_choice must be \"auto\", \"none\", \"required\" or {\"type\": \"function\", \"function\": {\"name\": ...}}, got \"maybe\".")]
    [InlineData(Messages + Tool + "\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"g\"}}", "tool_choice names the function \"g\", which is not among the tools.")]
    [InlineData(Messages + Tool + "\"tool_choice\":\"required\",\"response_format\":{\"type\":\"json_object\"}", "tool_choice that demands a call and another constraint of the answer (response_format, json_schema, regex, ebnf) exclude each other.")]
    public async Task What_cannot_be_honoured_is_refused_by_name(string fields, string message)
    {
        string body = $"{{{fields}}}";
        (int status, JsonNode? answer) = await demo.PostAsync(PathOf(body), body);
        Assert.Equal((400, message), (status, (string?)answer!["message"]));
    }

    [Theory]
    [InlineData("POST", "/v1/completions", "text/plain", "{}", 400, "Content-Type must be application/json, got 'text/plain; charset=utf-8'.")]
    [InlineData("GET", "/v1/models/other", null, null, 404, "The model 'other' does not exist; this server serves 'demo-model'.")]
    [InlineData("GET", "/requests/nobody", null, null, 404, "No request 'nobody' is known: it never came, or more than 1000 came after it.")]
    [InlineData("POST", "/tokenize", "application/json", "{}", 400, "prompt")]
    [InlineData("POST", "/v1/embeddings", "application/json", "{\"input\":\"a\"}", 400, "This server generates text; start it with --is-embedding to serve embeddings.")]
    [InlineData("PATCH", "/generate", "application/json", "{}", 405, "/generate does not take PATCH.")]
    public async Task Every_path_says_what_is_wrong(string method, string path, string? contentType, string? content, int status, string message)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        if (content is not null) request.Content = new StringContent(content, System.Text.Encoding.UTF8, contentType!);
        using HttpResponseMessage response = await demo.Client.SendAsync(request);
        JsonNode body = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
        Assert.Equal(status, (int)response.StatusCode);
        Assert.Contains(message, (string?)body["message"] ?? (string?)body["error"]!["message"]);
    }

    [Theory]
    [InlineData("/generate", null, 401)]
    [InlineData("/generate", "admin", 401)]
    [InlineData("/flush_cache", "user", 401)]
    [InlineData("/flush_cache", "admin", 200)]
    [InlineData("/v1/responses", "wrong", 401)]
    public async Task Keys_open_their_own_paths_only(string path, string? key, int status)
    {
        await using ServerHost host = await demo.StartHostAsync(new ServerOptions { ApiKey = "user", AdminApiKey = "admin" });
        using HttpClient client = DemoServer.ClientOf(host, key);
        using HttpResponseMessage response = await client.PostAsync(path, DemoServer.Json("{}"));
        Assert.Equal(status, (int)response.StatusCode);
        if (status == 401) Assert.Equal("{\"error\":\"Unauthorized\"}", await response.Content.ReadAsStringAsync());
    }
}
