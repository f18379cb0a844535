using SgLang.Bench.Http;
using SgLang.Bench.Serving;
using SgLang.Bench.Tests.Serving;

namespace SgLang.Bench.Tests.Http;

public class RouterFinderTests
{
    [Theory]
    [InlineData("""{"prefill": [{"tokenizer_path": "m"}], "decode": [{}]}""", true)]
    [InlineData("""{"router_manager": {}}""", true)]
    [InlineData("""{"tokenizer_path": "m", "internal_states": [{}]}""", false)]
    [InlineData("not json", false)]
    public async Task Only_a_router_is_taken_for_one(string info, bool isRouter)
    {
        await using MockServer server = await MockServer.StartAsync((_, _) => Task.CompletedTask);
        server.ServerInfo = info;
        Uri nobody = new("http://127.0.0.1:1");
        Assert.Equal(isRouter ? server.Address : null, await RouterFinder.FindAsync([nobody, server.Address], new ServingOptions { BaseUrl = nobody }, TestContext.Current.CancellationToken));
    }
}
