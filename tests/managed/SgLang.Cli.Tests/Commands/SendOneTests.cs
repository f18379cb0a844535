using SgLang.Cli.Commands;
using SgLang.Cli.Parsing;
using SgLang.Protocol;
using SgLang.Protocol.Json;

namespace SgLang.Cli.Tests.Commands;

public class SendOneTests
{
    private static string Body(int batch, params (string Name, string[] Values)[] given) => ResponseJson.ToText(
        SendOneCommand.Body(new FlagValues(SendOneFlags.All, given.ToDictionary(g => g.Name, g => g.Values)), batch), ProtocolJsonContext.Default.GenerateRequest);

    [Fact]
    public void The_body_has_the_defaults_of_the_specification()
    {
        Assert.Equal(
            """{"text":"Human: Give me a fully functional FastAPI server. Show the python code.\n\nAssistant:","sampling_params":{"max_new_tokens":512,"temperature":0,"frequency_penalty":0,"presence_penalty":0},"stream":false,"return_logprob":false}""",
            Body(1));
    }

    [Fact]
    public void A_batch_is_a_list_and_its_prompts_may_differ()
    {
        Assert.StartsWith("""{"text":["p","p"],""", Body(2, ("--prompt", ["p"])));
        Assert.StartsWith("""{"text":["Test case 1: p","Test case 2: p"],""", Body(2, ("--prompt", ["p"]), ("--different-prompts", [])));
        Assert.StartsWith("""{"text":"Test case 1: p",""", Body(1, ("--prompt", ["p"]), ("--different-prompts", [])));
    }

    [Fact]
    public void Random_ids_repeat_with_the_seed_and_stay_below_the_vocabulary()
    {
        (string, string[])[] flags = [("--random-input-len", ["17"]), ("--random-input-vocab-size", ["5"]), ("--seed", ["3"])];
        Assert.Equal(Body(2, flags), Body(2, flags));
        GenerateRequest request = SendOneCommand.Body(new FlagValues(SendOneFlags.All, flags.ToDictionary(g => g.Item1, g => g.Item2)), 2);
        Assert.Equal([17, 17], request.InputIds!.Items.Select(ids => ids.Length));
        Assert.All(request.InputIds.Items.SelectMany(ids => ids), id => Assert.InRange(id, 0, 4));
        Assert.NotEqual(request.InputIds.Items[0], request.InputIds.Items[1]);
    }

    [Fact]
    public void Stops_and_a_schema_are_passed_on()
    {
        string body = Body(1, ("--stop", ["a", "b"]), ("--json", []), ("--seed", ["7"]));
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
        Assert.Equal(expected, SendOneCommand.Table(new MetaInfo { Id = "r", CompletionTokens = 512, E2eLatency = 2.318 }));
    }

    [Fact]
    public void The_accept_length_counts_tokens_for_each_verification()
    {
        Assert.Contains("|   2.500    |", SendOneCommand.Table(new MetaInfo { Id = "r", CompletionTokens = 10, E2eLatency = 1, SpecVerifyCt = 4 }));
    }
}
