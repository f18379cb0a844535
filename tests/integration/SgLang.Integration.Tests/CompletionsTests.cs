using System.Text.Json.Nodes;

namespace SgLang.Integration.Tests;

public class CompletionsTests(DemoServer demo)
{
    private const string Path = "/v1/completions";
    private const string Body = """{"model":"m","prompt":"My fellow Americans,","max_tokens":9,"temperature":0,"ignore_eos":true""";

    [Fact]
    public async Task The_answer_has_every_field()
    {
        JsonNode answer = await demo.PostOkAsync(Path, Body + ",\"rid\":\"c1\"}");
        Assert.Equal(["id", "object", "created", "model", "choices", "usage", "metadata"], answer.AsObject().Select(field => field.Key));
        Assert.Equal("c1", (string?)answer["id"]);
        Assert.Equal("text_completion", (string?)answer["object"]);
        Assert.Equal("m", (string?)answer["model"]);
        JsonNode choice = answer["choices"]![0]!;
        Assert.Equal(["index", "text", "logprobs", "finish_reason", "matched_stop"], choice.AsObject().Select(field => field.Key));
        Assert.Equal("length", (string?)choice["finish_reason"]);
        Assert.Null(choice["logprobs"]);
        Assert.Equal(9, (int?)answer["usage"]!["completion_tokens"]);
        Assert.Equal((int?)answer["usage"]!["prompt_tokens"] + 9, (int?)answer["usage"]!["total_tokens"]);
        Assert.Equal("default", (string?)answer["metadata"]!["weight_version"]);
    }

    [Fact]
    public async Task A_stream_has_the_same_text_and_ends_with_the_reason()
    {
        string text = (string)(await demo.PostOkAsync(Path, Body + "}"))["choices"]![0]!["text"]!;
        List<JsonNode> events = await demo.StreamAsync(Path, Body + ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
        Assert.Empty(events[^1]["choices"]!.AsArray());
        Assert.Equal(9, (int?)events[^1]["usage"]!["completion_tokens"]);
        Assert.All(events.SkipLast(1), e => Assert.True(e.AsObject().TryGetPropertyValue("usage", out JsonNode? usage) && usage is null, "usage must be there and null"));
        Assert.Equal(text, string.Concat(events[..^1].Select(e => (string?)e["choices"]![0]!["text"])));
        Assert.Equal("length", (string?)events[^2]["choices"]![0]!["finish_reason"]);
        Assert.All(events[..^2], e => Assert.Null(e["choices"]![0]!["finish_reason"]));
        Assert.All(events, e => Assert.Equal("text_completion", (string?)e["object"]));
        // Those in the middle are put together from a template, the last one is not.
        Assert.All(events[..^2], e => Assert.Equal(Shape(events[^2]), Shape(e)));
        Assert.Single(events.Select(e => (string?)e["id"]).Distinct());
    }

    [Fact]
    public async Task Usage_in_every_event_grows()
    {
        List<JsonNode> events = await demo.StreamAsync(Path, Body + ",\"stream\":true,\"stream_options\":{\"continuous_usage_stats\":true}}");
        int[] counts = [.. events.Select(e => (int)e["usage"]!["completion_tokens"]!)];
        Assert.Equal(counts.Order(), counts);
        Assert.Equal(9, counts[^1]);
    }

    [Fact]
    public async Task Prompts_and_copies_are_numbered_prompt_by_prompt()
    {
        JsonNode answer = await demo.PostOkAsync(Path, """{"prompt":["a b c","The state of the Union"],"n":2,"max_tokens":3,"temperature":0,"ignore_eos":true}""");
        JsonArray choices = answer["choices"]!.AsArray();
        Assert.Equal([0, 1, 2, 3], choices.Select(choice => (int)choice!["index"]!));
        Assert.Equal((string?)choices[0]!["text"], (string?)choices[1]!["text"]);
        Assert.Equal((string?)choices[2]!["text"], (string?)choices[3]!["text"]);
        Assert.Equal(12, (int?)answer["usage"]!["completion_tokens"]);
        JsonNode one = await demo.PostOkAsync(Path, """{"prompt":"a b c","max_tokens":3,"temperature":0}""");
        JsonNode other = await demo.PostOkAsync(Path, """{"prompt":"The state of the Union","max_tokens":3,"temperature":0}""");
        Assert.Equal((int?)one["usage"]!["prompt_tokens"] + (int?)other["usage"]!["prompt_tokens"], (int?)answer["usage"]!["prompt_tokens"]);
    }

    [Fact]
    public async Task Ids_are_a_prompt_too()
    {
        Golden.Case golden = Golden.Cases[0];
        string body = $$"""{"prompt":{{golden.InputJson}},"max_tokens":3,"temperature":0,"ignore_eos":true}""";
        JsonNode one = await demo.PostOkAsync(Path, body);
        JsonNode many = await demo.PostOkAsync(Path, body.Replace(golden.InputJson, $"[{golden.InputJson},{golden.InputJson}]"));
        Assert.Equal((string?)one["choices"]![0]!["text"], (string?)many["choices"]![1]!["text"]);
    }

    [Fact]
    public async Task Echo_puts_the_prompt_before_the_text_and_scores_it()
    {
        JsonNode answer = await demo.PostOkAsync(Path, Body + ",\"echo\":true,\"logprobs\":2}");
        JsonNode plain = await demo.PostOkAsync(Path, Body + "}");
        Assert.Equal("My fellow Americans," + (string?)plain["choices"]![0]!["text"], (string?)answer["choices"]![0]!["text"]);
        JsonNode logprobs = answer["choices"]![0]!["logprobs"]!;
        int total = (int)answer["usage"]!["total_tokens"]!;
        foreach (string list in new[] { "text_offset", "token_logprobs", "tokens", "top_logprobs" }) Assert.Equal(total, logprobs[list]!.AsArray().Count);
        Assert.Null(logprobs["token_logprobs"]![0]);
        Assert.All(logprobs["token_logprobs"]!.AsArray().Skip(1), value => Assert.True((double)value! <= 0));
        Assert.All(logprobs["text_offset"]!.AsArray(), value => Assert.Equal(-1, (int)value!));
        List<JsonNode> events = await demo.StreamAsync(Path, Body + ",\"echo\":true,\"stream\":true}");
        Assert.StartsWith("My fellow Americans,", (string?)events[0]["choices"]![0]!["text"]);
    }

    [Fact]
    public async Task Logprobs_of_a_stream_add_up_to_those_of_the_whole()
    {
        JsonNode whole = await demo.PostOkAsync(Path, Body + ",\"logprobs\":1}");
        List<JsonNode> events = await demo.StreamAsync(Path, Body + ",\"logprobs\":1,\"stream\":true}");
        string[] tokens = [.. events.SelectMany(e => e["choices"]![0]!["logprobs"]!["tokens"]!.AsArray()).Select(token => (string)token!)];
        Assert.Equal(whole["choices"]![0]!["logprobs"]!["tokens"]!.AsArray().Select(token => (string)token!), tokens);
        Assert.Equal(9, tokens.Length);
    }

    [Theory]
    [InlineData("""{"prompt":""}""", "Prompt cannot be empty")]
    [InlineData("""{"prompt":[]}""", "Prompt cannot be empty")]
    [InlineData("""{}""", "Prompt cannot be empty")]
    [InlineData("""{"prompt":"a","max_tokens":0}""", "max_tokens must be at least 1, got 0.")]
    [InlineData("""{"prompt":"a","n":0}""", "n must be at least 1, got 0.")]
    [InlineData("""{"prompt":"a","logprobs":-1}""", "logprobs must be in [0, 4096], got -1.")]
    [InlineData("""{"prompt":"a","temperature":-1,"stream":true}""", "temperature must be a non-negative finite number, got -1.")]
    [InlineData("""{"prompt":[1,5000],"stream":true}""", "input_ids must be in [0, 4095], got 5000.")]
    [InlineData("""{"prompt":"a","response_format":{"type":"xml"}}""", "response_format.type must be \"text\", \"json_object\", \"json_schema\" or \"structural_tag\" on this server, got \"xml\".")]
    public async Task Bad_requests_are_refused_in_the_form_of_the_api(string json, string message)
    {
        (int status, JsonNode? body) = await demo.PostAsync(Path, json);
        Assert.Equal(400, status);
        Assert.Equal(new JsonObject { ["object"] = "error", ["message"] = message, ["type"] = "BadRequestError", ["param"] = null, ["code"] = 400 }.ToJsonString(), body!.ToJsonString());
    }

    private static IEnumerable<string> Shape(JsonNode completion) =>
        [.. completion.AsObject().Select(field => field.Key), .. completion["choices"]![0]!.AsObject().Select(field => field.Key)];
}
