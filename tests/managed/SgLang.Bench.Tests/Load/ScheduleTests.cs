using SgLang.Bench.Datasets;
using SgLang.Bench.Load;
using SgLang.Bench.Proof;
using SgLang.Bench.Serving;

namespace SgLang.Bench.Tests.Load;

/// <summary>Against a server that sends tokens on a known schedule. How precisely times are met is measured by tests/proof; here, that they are in order.</summary>
public class ScheduleTests
{
    [Fact]
    public async Task No_token_is_lost_or_seen_before_it_was_sent()
    {
        const int Streams = 25, Tokens = 40;
        using ScriptedServer server = new(TimeSpan.FromMilliseconds(10), TimeSpan.FromMilliseconds(2), Streams, DemoModel.ModelPath);
        server.Start();
        string path = DemoModel.ResultFile();
        File.WriteAllLines(path, Enumerable.Range(0, Streams).Select(i => $$"""{"timestamp": 0, "conversations": [{"value": "{{i}} go on"}, {"value": "and on and on"}]}"""));
        ServingRun run = (await new ServingBenchmark(new ServingOptions
        {
            BaseUrl = server.Address, OutputFile = "", WarmupRequests = 0, Dataset = new DatasetOptions { Name = "custom", Path = path, NumPrompts = Streams, ShareGptOutputLength = Tokens },
        }, TextWriter.Null, TextWriter.Null).RunAsync()).Single();
        Assert.Equal((Streams, Streams * Tokens), (run.Metrics.Completed, run.Metrics.OutputTokens));
        foreach (RequestRecord record in run.Records)
        {
            StreamTimes times = server.Times.Single(t => t.Id == record.Index);
            int token = 0;
            foreach (Arrival arrival in record.Arrivals)
            {
                token += arrival.Tokens!.Value;
                Assert.True(arrival.At >= times.Sent[token - 1], $"stream {record.Index}, token {token}: seen {times.Sent[token - 1] - arrival.At} ns before it was sent");
            }
            Assert.Equal(Tokens, token);
        }
    }
}
