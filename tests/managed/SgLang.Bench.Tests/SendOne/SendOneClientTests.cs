using SgLang.Bench.SendOne;
using SgLang.Protocol;
using SgLang.Protocol.Json;

namespace SgLang.Bench.Tests.SendOne;

public class SendOneClientTests
{
    private static readonly SendOneOptions s_default = new() { BaseUrl = new Uri("http://localhost:30000") };

    private static string Body(SendOneOptions options) => ResponseJson.ToText(SendOneClient.Body(options), ProtocolJsonContext.Default.GenerateRequest);

    [Fact]
    public void The_body_has_the_defaults_of_the_specification()
    {
        Assert.Equal(
            """{"text":"Human: Give me a fully functional FastAPI server. Show the python code.\n\nAssistant:","sampling_params":{"max_new_tokens":512,"temperature":0,"frequency_penalty":0,"presence_penalty":0},"stream":false,"return_logprob":false}""",
            Body(s_default));
    }

    [Fact]
    public void A_batch_is_a_list_and_its_prompts_may_differ()
    {
        SendOneOptions p = s_default with { Prompt = "p" };
        Assert.StartsWith("""{"text":["p","p"],""", Body(p with { BatchSize = 2 }));
        Assert.StartsWith("""{"text":["Test case 1: p","Test case 2: p"],""", Body(p with { BatchSize = 2, DifferentPrompts = true }));
        Assert.StartsWith("""{"text":"Test case 1: p",""", Body(p with { DifferentPrompts = true }));
    }

    [Fact]
    public void Random_ids_repeat_with_the_seed_and_stay_below_the_vocabulary()
    {
        SendOneOptions options = s_default with { RandomInputLength = 17, RandomInputVocabularySize = 5, Seed = 3, BatchSize = 2 };
        Assert.Equal(Body(options), Body(options));
        GenerateRequest request = SendOneClient.Body(options);
        Assert.Equal([17, 17], request.InputIds!.Items.Select(ids => ids.Length));
        Assert.All(request.InputIds.Items.SelectMany(ids => ids), id => Assert.InRange(id, 0, 4));
        Assert.NotEqual(request.InputIds.Items[0], request.InputIds.Items[1]);
    }

    [Fact]
    public void Stops_and_a_schema_are_passed_on()
    {
        string body = Body(s_default with { Stop = ["a", "b"], Json = true, Seed = 7 });
        Assert.Contains("\"stop\":[\"a\",\"b\"]", body);
        Assert.Contains("\"json_schema\":{\"type\":\"object\"}", body);
        Assert.Contains("\"sampling_seed\":7", body);
    }

    [Fact]
    public void The_table_is_that_of_the_specification()
    {
        string expected = """
            +-------------+--------+------------+-----------------+
            | Latency (s) | Tokens | Acc Length | Speed (token/s) |
            +-------------+--------+------------+-----------------+
            |    2.318    |  512   |   1.000    |     220.88      |
            +-------------+--------+------------+-----------------+

            """;
        Assert.Equal(expected, SendOneClient.Table(new MetaInfo { Id = "r", CompletionTokens = 512, E2eLatency = 2.318 }));
    }

    [Fact]
    public void The_accept_length_counts_tokens_for_each_verification()
    {
        Assert.Contains("|   2.500    |", SendOneClient.Table(new MetaInfo { Id = "r", CompletionTokens = 10, E2eLatency = 1, SpecVerifyCt = 4 }));
    }
}
