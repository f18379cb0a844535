using System.Text.Json.Nodes;
using SgLang.Bench.OneBatchServer;

namespace SgLang.Bench.Tests.OneBatchServer;

public class ServerFactsTests
{
    [Fact]
    public void Limits_are_those_of_all_replicas()
    {
        ServerFacts facts = ServerFacts.From(JsonNode.Parse(
            """{"tokenizer_path": "t", "tp_size": 2, "internal_states": [{"dp_size": 2, "effective_max_running_requests_per_dp": 8, "memory_usage": {"token_capacity": 100}}, {"memory_usage": {"token_capacity": 50}}]}"""));
        Assert.Equal(("t", 16L, 150L, 2, false), (facts.TokenizerPath, facts.RunningLimit, facts.TokenCapacity, facts.TensorParallelSize, facts.IsRouter));
    }

    [Fact]
    public void A_router_has_no_limits_and_its_first_prefill_worker_names_the_tokenizer()
    {
        ServerFacts facts = ServerFacts.From(JsonNode.Parse("""{"router_manager": true, "prefill": [{"tokenizer_path": "p"}]}"""));
        Assert.Equal(("p", null, null, true), (facts.TokenizerPath, facts.RunningLimit, facts.TokenCapacity, facts.IsRouter));
        Assert.Null(ServerFacts.From(null).RunningLimit);
    }
}
