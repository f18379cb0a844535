using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;

namespace SgLang.Integration.Tests;

/// <summary>
/// Bodies that nobody means: sound ones with bytes, tokens and values changed. SGL_FUZZ_REQUESTS sets how many (the full run: 100000),
/// SGL_FUZZ_SEED repeats a run.
/// </summary>
public class FuzzTests(DemoServer demo)
{
    private const int InParallel = 8;

    private static readonly (string Path, string Body)[] s_sound =
    [
        ("/generate", """{"text":"Hello","sampling_params":{"max_new_tokens":2,"temperature":0.7,"top_p":0.9,"top_k":5,"min_p":0.1,"stop":["x"],"n":2,"frequency_penalty":0.5,"logit_bias":{"5":1.5},"sampling_seed":3},"stream":true,"rid":"r"}"""),
        ("/generate", """{"input_ids":[[1,2,3],[4,5]],"sampling_params":[{"max_new_tokens":1},{"max_new_tokens":2,"ignore_eos":true}],"return_logprob":[true,false],"logprob_start_len":0,"top_logprobs_num":2,"return_text_in_logprobs":true}"""),
        ("/generate", """{"text":"a","sampling_params":{"max_new_tokens":3,"regex":"[ab]{1,3}(c|d)*"}}"""),
        ("/generate", """{"text":"a","sampling_params":{"max_new_tokens":3,"ebnf":"root ::= a+ \"b\"\na ::= [a-c] | \"x\" a"}}"""),
        ("/generate", """{"text":"a","sampling_params":{"max_new_tokens":3,"json_schema":"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\",\"minimum\":3},\"b\":{\"enum\":[1,\"x\"]}},\"required\":[\"a\"]}"}}"""),
        ("/v1/completions", """{"model":"m","prompt":["a","b"],"max_tokens":2,"temperature":1,"logprobs":2,"echo":true,"stream":false,"stop":"z","seed":1,"json_schema":{"type":"array","items":{"anyOf":[{"type":"number"},{"type":"null"}]},"maxItems":2}}"""),
        ("/v1/chat/completions", """{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"hi"}]},{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]}],"max_tokens":2,"stream":true,"stream_options":{"include_usage":true},"logprobs":true,"top_logprobs":1}"""),
        ("/v1/chat/completions", """{"messages":[{"role":"user","content":"hi"}],"max_tokens":3,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"x":{"type":"string"}}}}}],"tool_choice":"required","parallel_tool_calls":false}"""),
        ("/v1/chat/completions", """{"messages":[{"role":"user","content":"hi"}],"max_tokens":3,"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"$defs":{"a":{"type":"boolean"}},"type":"object","properties":{"p":{"$ref":"#/$defs/a"}},"additionalProperties":false}}}}"""),
        ("/tokenize", """{"prompt":["a","bé"],"add_special_tokens":true}"""),
        ("/detokenize", """{"tokens":[[1,2],[3]],"skip_special_tokens":false}"""),
        ("/abort_request", """{"rid":"nobody","abort_all":false}"""),
    ];

    private static readonly string[] s_values =
    [
        "null", "true", "false", "0", "-1", "1", "2147483648", "-2147483649", "9223372036854775808", "1e999", "-0.0", "0.5", "1e-320", "\"\"", "\"HALF\"", "{\"HALF\":1}", "\"\\u0000\"", "\"日本\"", "[]", "{}", "[[]]", "[null]",
        "{\"a\":1}", "[1,[2]]", "\"(\"", "\"[\"", "\"a{1000000}\"", "{\"type\":\"object\"}", "{\"$ref\":\"#\"}", "[{\"role\":\"user\"}]", "\"root ::= root\"", "\"auto\"", "[\"a\",\"a\"]", "16385", "4096", "1e5",
    ];

    private static readonly string[] s_pieces = ["{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "\0", "é", "😀", "null", "1e", "-", "//", " ", "\n", "\"a\":", "{\"a\":", "[[[[[[[["];

    [Fact]
    public async Task No_body_breaks_the_server()
    {
        int count = int.TryParse(Environment.GetEnvironmentVariable("SGL_FUZZ_REQUESTS"), out int wanted) ? wanted : 1500;
        int seed = int.TryParse(Environment.GetEnvironmentVariable("SGL_FUZZ_SEED"), out int given) ? given : System.Random.Shared.Next();
        TestContext.Current.SendDiagnosticMessage($"seed {seed}, {count} requests");
        var counts = new SortedDictionary<int, int>();
        int next = 0;
        await Task.WhenAll(Enumerable.Range(0, InParallel).Select(_ => Task.Run(async () =>
        {
            while (Interlocked.Increment(ref next) is var i && i <= count)
            {
                var random = new System.Random(unchecked(seed + i * 7919));
                (string path, byte[] body) = Mutated(random);
                int status = await SendAsync(path, body, abandon: random.Next(40) == 0, $"seed {seed}, request {i}");
                lock (counts) counts[status] = counts.GetValueOrDefault(status) + 1;
            }
        })));
        // Both kinds must occur, or the mutations say nothing.
        Assert.True(counts.GetValueOrDefault(200) > count / 100, $"seed {seed}: {string.Join(' ', counts)}");
        Assert.True(counts.GetValueOrDefault(400) > count / 10, $"seed {seed}: {string.Join(' ', counts)}");

        await DemoServer.Eventually(() => demo.Engine.Stats is { NumRunning: 0, NumWaiting: 0 }, "nothing runs any more");
        Golden.Case golden = Golden.Cases[0];
        JsonNode answer = await demo.PostOkAsync("/generate", $$"""{"input_ids":{{golden.InputJson}},"sampling_params":{"max_new_tokens":{{golden.GreedyIds.Length}},"temperature":0,"ignore_eos":true} }""");
        Assert.Equal(golden.GreedyIds, answer["output_ids"]!.AsArray().Select(id => (int)id!));
        Assert.Equal(0, demo.Engine.Stats.UsedTokens);
    }

    private async Task<int> SendAsync(string path, byte[] body, bool abandon, string what)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using var patience = new CancellationTokenSource(abandon ? TimeSpan.FromMilliseconds(3) : DemoServer.Deadline);
        try
        {
            using HttpResponseMessage answer = await demo.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, patience.Token);
            string text = await answer.Content.ReadAsStringAsync(patience.Token);
            Assert.True(answer.StatusCode is HttpStatusCode.OK or HttpStatusCode.BadRequest, $"{what}: {path} answered {(int)answer.StatusCode} {text} to {Encoding.UTF8.GetString(body)}");
            Assert.False(text.Contains("\"status_code\":500", StringComparison.Ordinal), $"{what}: {path} answered {text} to {Encoding.UTF8.GetString(body)}");
            if (answer.StatusCode == HttpStatusCode.BadRequest) Assert.True(JsonNode.Parse(text) is JsonObject error && text.Contains("message", StringComparison.Ordinal), $"{what}: {text}");
            return (int)answer.StatusCode;
        }
        catch (OperationCanceledException) when (abandon)
        {
            return 0;
        }
    }

    private static (string Path, byte[] Body) Mutated(System.Random random)
    {
        (string path, string sound) = s_sound[random.Next(s_sound.Length)];
        JsonNode tree = JsonNode.Parse(sound)!;
        string text = sound;
        int kind = random.Next(10);
        if (kind < 6)
        {
            for (int i = random.Next(1, 3); i > 0; i--) ChangeValue(tree, random);
            // A tree cannot hold half of a surrogate pair; it is written in here.
            text = tree.ToJsonString().Replace("HALF", "\\ud800", StringComparison.Ordinal);
        }
        else if (kind < 9)
        {
            for (int i = random.Next(1, 4); i > 0; i--)
            {
                int at = random.Next(text.Length + 1), length = Math.Min(random.Next(4), text.Length - at);
                text = string.Concat(text.AsSpan(0, at), s_pieces[random.Next(s_pieces.Length)], text.AsSpan(at + length));
            }
        }
        byte[] body = Encoding.UTF8.GetBytes(text);
        if (kind == 9)
            for (int i = random.Next(1, 5); i > 0; i--) body[random.Next(body.Length)] = (byte)random.Next(256);
        return (path, random.Next(30) == 0 ? body[..random.Next(body.Length)] : body);
    }

    /// <summary>Puts an odd value somewhere, or takes one away. No value that would let a request run for long.</summary>
    private static void ChangeValue(JsonNode node, System.Random random)
    {
        while (true)
        {
            JsonNode? child;
            JsonNode? odd = JsonNode.Parse(s_values[random.Next(s_values.Length)]);
            if (node is JsonObject members && members.Count > 0)
            {
                string key = members.ElementAt(random.Next(members.Count)).Key;
                child = members[key];
                if (child is not (JsonObject or JsonArray) || random.Next(3) == 0)
                {
                    if (random.Next(6) == 0) members.Remove(key);
                    else members[key] = odd;
                    return;
                }
            }
            else if (node is JsonArray items && items.Count > 0)
            {
                int index = random.Next(items.Count);
                child = items[index];
                if (child is not (JsonObject or JsonArray) || random.Next(3) == 0)
                {
                    if (random.Next(6) == 0) items.RemoveAt(index);
                    else items[index] = odd;
                    return;
                }
            }
            else
            {
                return;
            }
            node = child;
        }
    }
}
