using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using SgLang.Server;

namespace SgLang.Integration.Tests;

public class GenerateTests(DemoServer demo)
{
    private const string Greedy = "\"temperature\":0,\"ignore_eos\":true";

    private static int[] Ids(JsonNode answer) => [.. answer["output_ids"]!.AsArray().Select(id => (int)id!)];

    [Fact]
    public async Task Greedy_ids_are_those_of_the_reference()
    {
        foreach (Golden.Case golden in Golden.Cases)
        {
            JsonNode answer = await demo.PostOkAsync("/generate", $$"""{"input_ids":{{golden.InputJson}},"sampling_params":{"max_new_tokens":{{golden.GreedyIds.Length}},{{Greedy}}} }""");
            Assert.Equal(golden.GreedyIds, Ids(answer));
        }
    }

    [Fact]
    public async Task The_answer_has_every_field()
    {
        JsonNode answer = await demo.PostOkAsync("/generate", """{"text":"The state of the Union is","rid":"r1","sampling_params":{"temperature":0,"max_new_tokens":5,"ignore_eos":true}}""");
        JsonNode meta = answer["meta_info"]!;
        Assert.Equal(["text", "output_ids", "meta_info"], answer.AsObject().Select(field => field.Key));
        Assert.NotEqual("", (string?)answer["text"]);
        Assert.Equal(5, Ids(answer).Length);
        Assert.Equal("r1", (string?)meta["id"]);
        Assert.Equal("""{"type":"length","length":5}""", meta["finish_reason"]!.ToJsonString());
        Assert.Equal(5, (int?)meta["completion_tokens"]);
        Assert.True((int?)meta["prompt_tokens"] > 1);
        Assert.Equal("default", (string?)meta["weight_version"]);
        Assert.True((double?)meta["e2e_latency"] > 0);
        foreach (string field in new[] { "cached_tokens", "reasoning_tokens", "num_retractions" }) Assert.NotNull(meta[field]);
    }

    [Fact]
    public async Task Events_carry_the_whole_text_so_far()
    {
        const string body = """{"text":"My fellow Americans,","sampling_params":{"temperature":0,"max_new_tokens":17,"ignore_eos":true}""";
        JsonNode whole = await demo.PostOkAsync("/generate", body + "}");
        List<JsonNode> events = await demo.StreamAsync("/generate", body + ",\"stream\":true}");
        Assert.Equal((string?)whole["text"], (string?)events[^1]["text"]);
        Assert.Equal(Ids(whole), Ids(events[^1]));
        Assert.NotNull(events[^1]["meta_info"]!["finish_reason"]);
        Assert.NotNull(events[^1]["meta_info"]!["e2e_latency"]);
        for (int i = 1; i < events.Count; i++)
        {
            Assert.StartsWith((string)events[i - 1]["text"]!, (string)events[i]["text"]!);
            Assert.Null(events[i - 1]["meta_info"]!["finish_reason"]);
            Assert.True(events[i - 1]["meta_info"]!.AsObject().ContainsKey("finish_reason"));
            Assert.Equal(Ids(events[i - 1]).Length, (int?)events[i - 1]["meta_info"]!["completion_tokens"]);
        }
    }

    [Fact]
    public async Task With_the_flag_events_carry_what_is_new()
    {
        ServerHost host = await demo.StartHostAsync(new ServerOptions { IncrementalStreamingOutput = true });
        using HttpClient client = DemoServer.ClientOf(host);
        const string body = """{"text":"My fellow Americans,","return_logprob":true,"sampling_params":{"temperature":0,"max_new_tokens":17,"ignore_eos":true}""";
        JsonNode whole = await demo.PostOkAsync("/generate", body + "}");
        List<JsonNode> events = await DemoServer.StreamAsync(client, "/generate", body + ",\"stream\":true}");
        Assert.Equal((string?)whole["text"], string.Concat(events.Select(e => (string?)e["text"])));
        Assert.Equal(Ids(whole), events.SelectMany(Ids));
        Assert.Equal(17, events.Sum(e => e["meta_info"]!["output_token_logprobs"]!.AsArray().Count));
    }

    [Fact]
    public async Task A_batch_answers_in_order()
    {
        Golden.Case a = Golden.Cases[0], b = Golden.Cases[1];
        JsonNode answers = await demo.PostOkAsync("/generate", $$"""
            {"input_ids":[{{a.InputJson}},{{b.InputJson}}],"rid":"batch","sampling_params":[{"max_new_tokens":3,{{Greedy}}},{"max_new_tokens":5,{{Greedy}}}]}
            """);
        Assert.Equal(a.GreedyIds[..3], Ids(answers[0]!));
        Assert.Equal(b.GreedyIds[..5], Ids(answers[1]!));
        Assert.Equal(["batch_0", "batch_1"], answers.AsArray().Select(answer => (string?)answer!["meta_info"]!["id"]));
        Assert.Null(answers[0]!["index"]);
    }

    [Fact]
    public async Task A_streamed_batch_numbers_its_events()
    {
        Golden.Case a = Golden.Cases[0], b = Golden.Cases[1];
        List<JsonNode> events = await demo.StreamAsync("/generate", $$"""
            {"input_ids":[{{a.InputJson}},{{b.InputJson}}],"stream":true,"sampling_params":{"max_new_tokens":9,{{Greedy}}} }
            """);
        Assert.Equal(a.GreedyIds[..9], Ids(events.Last(e => (int?)e["index"] == 0)));
        Assert.Equal(b.GreedyIds[..9], Ids(events.Last(e => (int?)e["index"] == 1)));
        Assert.Equal(2, events.Count(e => e["meta_info"]!["finish_reason"] is not null));
    }

    [Fact]
    public async Task N_repeats_each_prompt_and_a_list_of_one_stays_a_list()
    {
        JsonNode answers = await demo.PostOkAsync("/generate", $$"""{"input_ids":{{Golden.Cases[0].InputJson}},"sampling_params":{"max_new_tokens":4,"n":3,{{Greedy}}} }""");
        Assert.Equal(3, answers.AsArray().Count);
        Assert.All(answers.AsArray(), answer => Assert.Equal(Golden.Cases[0].GreedyIds[..4], Ids(answer!)));
        Assert.Single((await demo.PostOkAsync("/generate", """{"text":["a"],"sampling_params":{"max_new_tokens":1}}""")).AsArray());
    }

    [Fact]
    public async Task A_seed_repeats_a_draw_and_copies_draw_differently()
    {
        const string body = """{"text":"The","sampling_params":{"max_new_tokens":17,"temperature":1,"n":2,"sampling_seed":42,"ignore_eos":true}}""";
        JsonNode first = await demo.PostOkAsync("/generate", body), second = await demo.PostOkAsync("/generate", body);
        Assert.Equal(Ids(first[0]!), Ids(second[0]!));
        Assert.Equal(Ids(first[1]!), Ids(second[1]!));
        Assert.NotEqual(Ids(first[0]!), Ids(first[1]!));
    }

    [Fact]
    public async Task Logprobs_are_those_of_the_reference()
    {
        Golden.Case golden = Golden.Cases[0];
        JsonNode meta = (await demo.PostOkAsync("/generate", $$"""
            {"input_ids":{{golden.InputJson}},"return_logprob":true,"logprob_start_len":0,"top_logprobs_num":2,"return_text_in_logprobs":true,"sampling_params":{"max_new_tokens":5,{{Greedy}}} }
            """))["meta_info"]!;
        JsonArray input = meta["input_token_logprobs"]!.AsArray(), output = meta["output_token_logprobs"]!.AsArray();
        Assert.Equal(golden.InputIds, input.Select(entry => (int)entry![1]!));
        Assert.Null(input[0]![0]);
        for (int i = 1; i < input.Count; i++) Assert.Equal(golden.PromptLogprobs[i]!.Value, (double)input[i]![0]!, 2e-3);
        Assert.Equal(golden.GreedyIds[..5], output.Select(entry => (int)entry![1]!));
        for (int i = 0; i < output.Count; i++) Assert.Equal(golden.GreedyLogprobs[i], (double)output[i]![0]!, 2e-3);
        Assert.All(output, entry => Assert.NotNull((string?)entry![2]));
        Assert.Equal(5, (int?)meta["output_token_logprobs_length"]);
        JsonArray top = meta["output_top_logprobs"]!.AsArray();
        Assert.All(top, entries => Assert.Equal(2, entries!.AsArray().Count));
        Assert.Equal((int?)output[0]![1], (int?)top[0]![0]![1]);
    }

    [Fact]
    public async Task Without_a_start_only_output_has_logprobs_and_text_is_null()
    {
        JsonNode meta = (await demo.PostOkAsync("/generate", """{"text":"The","return_logprob":true,"sampling_params":{"max_new_tokens":2,"temperature":0}}"""))["meta_info"]!;
        Assert.Empty(meta["input_token_logprobs"]!.AsArray());
        Assert.NotEmpty(meta["output_token_logprobs"]!.AsArray());
        Assert.Null(meta["output_token_logprobs"]![0]![2]);
        Assert.False(meta.AsObject().ContainsKey("output_top_logprobs"));
    }

    [Fact]
    public async Task A_stop_string_cuts_the_text_and_is_reported()
    {
        const string body = """{"text":"My fellow Americans,","sampling_params":{"temperature":0,"max_new_tokens":24,"ignore_eos":true""";
        string whole = (string)(await demo.PostOkAsync("/generate", body + "}}"))["text"]!;
        string stop = whole.Substring(whole.Length / 2, 3);
        int at = whole.IndexOf(stop, StringComparison.Ordinal);
        JsonNode quoted = JsonValue.Create(stop)!;
        JsonNode cut = await demo.PostOkAsync("/generate", $"{body},\"stop\":[{quoted.ToJsonString()}]}}}}");
        Assert.Equal(whole[..at], (string?)cut["text"]);
        Assert.Equal("stop", (string?)cut["meta_info"]!["finish_reason"]!["type"]);
        Assert.Equal(stop, (string?)cut["meta_info"]!["finish_reason"]!["matched"]);
        JsonNode kept = await demo.PostOkAsync("/generate", $"{body},\"no_stop_trim\":true,\"stop\":{quoted.ToJsonString()}}}}}");
        Assert.Equal(whole[..(at + stop.Length)], (string?)kept["text"]);
        List<JsonNode> events = await demo.StreamAsync("/generate", $"{body},\"stop\":{quoted.ToJsonString()}}},\"stream\":true}}");
        Assert.Equal(whole[..at], (string?)events[^1]["text"]);
        Assert.All(events, e => Assert.True(((string)e["text"]!).Length <= at, "text beyond the stop was shown"));
    }

    [Fact]
    public async Task A_stop_pattern_cuts_the_text_and_is_reported()
    {
        const string body = """{"text":"My fellow Americans,","sampling_params":{"temperature":0,"max_new_tokens":60,"ignore_eos":true""";
        string whole = (string)(await demo.PostOkAsync("/generate", body + "}}"))["text"]!;
        Match match = Regex.Match(whole, "[a-z]{5} [a-z]");
        Assert.True(match.Success, whole);
        const string Pattern = "\"stop_regex\":[\"[a-z]{5} [a-z]\"]";
        JsonNode cut = await demo.PostOkAsync("/generate", $"{body},{Pattern}}}}}");
        Assert.Equal(whole[..match.Index], (string?)cut["text"]);
        Assert.Equal("""{"type":"stop","matched":"[a-z]{5} [a-z]"}""", cut["meta_info"]!["finish_reason"]!.ToJsonString());
        List<JsonNode> events = await demo.StreamAsync("/generate", $"{body},{Pattern}}},\"stream\":true}}");
        Assert.Equal(whole[..match.Index], (string?)events[^1]["text"]);
        Assert.All(events, e => Assert.True(((string)e["text"]!).Length <= match.Index, "text beyond the stop was shown"));
    }

    [Fact]
    public async Task Prompts_of_different_keys_share_no_cache()
    {
        string ids = string.Join(',', Enumerable.Range(0, 50).Select(_ => 300 + Random.Shared.Next(3000)));
        async Task<int> CachedAsync(string field)
        {
            JsonNode answer = await demo.PostOkAsync("/generate", $$"""{"input_ids":[{{ids}}]{{field}},"sampling_params":{"max_new_tokens":1} }""");
            return (int)answer["meta_info"]!["cached_tokens"]!;
        }
        Assert.Equal(0, await CachedAsync(""));
        Assert.Equal(0, await CachedAsync(",\"extra_key\":\"ab\""));
        Assert.Equal(0, await CachedAsync(",\"extra_key\":\"c\""));
        foreach (string field in new[] { "", ",\"extra_key\":\"ab\"", ",\"extra_key\":[\"c\"]" })
            Assert.True(await CachedAsync(field) >= 32, field);
        (int status, JsonNode? refused) = await demo.PostAsync("/generate", $$"""{"input_ids":[{{ids}}],"extra_key":["a","b"]}""");
        Assert.Equal((400, "extra_key must be one value or a list with one for each of the 1 prompts, got 2."), (status, (string?)refused!["error"]!["message"]));
    }

    [Fact]
    public async Task Copies_of_a_prompt_take_it_from_the_cache_and_draw_differently()
    {
        string ids = string.Join(',', Enumerable.Range(0, 50).Select(i => 300 + Random.Shared.Next(3000)));
        JsonArray answers = (await demo.PostOkAsync("/generate", $$"""{"input_ids":[{{ids}}],"sampling_params":{"n":3,"max_new_tokens":12,"temperature":1.5,"sampling_seed":1,"ignore_eos":true} }""")).AsArray();
        Assert.Equal(3, answers.Count);
        Assert.All(answers.Skip(1), answer => Assert.True((int)answer!["meta_info"]!["cached_tokens"]! >= 32, answer.ToJsonString()));
        Assert.Equal(3, answers.Select(answer => (string?)answer!["text"]).Distinct().Count());
    }

    [Fact]
    public async Task Chosen_ids_have_logprobs_at_every_position()
    {
        JsonNode meta = (await demo.PostOkAsync("/generate",
            """{"input_ids":[5,6,7],"return_logprob":true,"logprob_start_len":0,"token_ids_logprob":[6,9],"sampling_params":{"max_new_tokens":2,"temperature":0,"ignore_eos":true}}"""))["meta_info"]!;
        JsonArray input = meta["input_token_ids_logprobs"]!.AsArray(), output = meta["output_token_ids_logprobs"]!.AsArray();
        Assert.Equal((3, 2), (input.Count, output.Count));
        Assert.Null(input[0]);
        Assert.Equal((double)meta["input_token_logprobs"]![1]![0]!, (double)input[1]![0]![0]!, 1e-4);
        Assert.All(input.Skip(1).Concat(output), entries => Assert.Equal([6, 9], entries!.AsArray().Select(entry => (int)entry![1]!)));
    }

    [Fact]
    public async Task A_stop_token_ends_and_is_in_the_ids()
    {
        Golden.Case golden = Golden.Cases[0];
        JsonNode answer = await demo.PostOkAsync("/generate", $$"""{"input_ids":{{golden.InputJson}},"sampling_params":{"temperature":0,"max_new_tokens":9,"stop_token_ids":[{{golden.GreedyIds[1]}}]} }""");
        Assert.Equal(golden.GreedyIds[..2], Ids(answer));
        Assert.Equal($$"""{"type":"stop","matched":{{golden.GreedyIds[1]}}}""", answer["meta_info"]!["finish_reason"]!.ToJsonString());
        Assert.Equal(2, (int?)answer["meta_info"]!["completion_tokens"]);
    }

    [Fact]
    public async Task Prompt_ids_are_returned_when_asked_for()
    {
        JsonNode answer = await demo.PostOkAsync("/generate", """{"input_ids":[1,2,3],"return_prompt_token_ids":true,"sampling_params":{"max_new_tokens":1}}""");
        Assert.Equal("[1,2,3]", answer["prompt_token_ids"]!.ToJsonString());
    }

    [Fact]
    public async Task Put_is_taken_like_post()
    {
        using HttpResponseMessage response = await demo.Client.PutAsync("/generate", DemoServer.Json("""{"text":"a","sampling_params":{"max_new_tokens":1}}"""));
        Assert.True(response.IsSuccessStatusCode);
    }

    [Fact]
    public async Task Concurrent_streams_each_get_their_own_text()
    {
        Golden.Case[] cases = [.. Enumerable.Range(0, 12).Select(i => Golden.Cases[i % Golden.Cases.Count])];
        List<JsonNode>[] streams = await Task.WhenAll(cases.Select(golden => demo.StreamAsync("/generate",
            $$"""{"input_ids":{{golden.InputJson}},"stream":true,"sampling_params":{"max_new_tokens":{{golden.GreedyIds.Length}},{{Greedy}}} }""")));
        for (int i = 0; i < cases.Length; i++) Assert.Equal(cases[i].GreedyIds, Ids(streams[i][^1]));
    }
}
