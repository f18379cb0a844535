using SgLang.Core;
using SgLang.Runtime;
using SgLang.Scheduling;

namespace SgLang.Engine.Tests;

public class SampledBatchTests
{
    private const int MaxBatch = 6;

    private readonly StaticBatchPlanner _planner = new(numPages: 64, pageSize: 16, MaxBatch);
    private readonly SampledBatch _batch = new(MaxBatch);

    [Fact]
    public void Every_row_has_its_request_parameters_and_position_whoever_had_it_before()
    {
        int seed = Random.Shared.Next();
        Random random = new(seed);
        for (int round = 0; round < 20; round++)
        {
            Request[] requests = [.. Enumerable.Range(0, random.Next(1, MaxBatch + 1)).Select(i => Some(random))];
            _planner.Begin(requests, maxOutput: 8);
            _batch.Begin(_planner.Extend(int.MaxValue));
            Check(requests, position: 0, seed);
            for (int position = 1; position < random.Next(1, 8); position++)
            {
                _batch.Begin(_planner.Decode());
                Check(requests, position, seed);
            }
        }
    }

    [Fact]
    public void Requests_that_stay_are_not_read_again_and_nothing_is_allocated()
    {
        Request[] requests = [.. Enumerable.Range(0, MaxBatch).Select(i => Some(new Random(i)))];
        _planner.Begin(requests, maxOutput: 100);
        _batch.Begin(_planner.Extend(int.MaxValue));
        // Whoever asked an owner now would fail.
        foreach (Request request in requests) request.Owner = null;
        Assert.Equal(0, Allocation.Of(() =>
        {
            for (int i = 0; i < 10; i++) _batch.Begin(_planner.Decode());
        }));
        Assert.True(_batch.Position(MaxBatch - 1) >= 10);
    }

    private void Check(Request[] requests, int position, int seed)
    {
        ReadOnlySpan<SamplingRow> rows = _batch.Rows(0, requests.Length);
        for (int i = 0; i < requests.Length; i++)
        {
            SamplingParams parameters = requests[i].SamplingParams;
            var owner = (Owner)requests[i].Owner!;
            string at = $"seed {seed}, row {i} of {requests.Length}, position {position}";
            Assert.True((float)parameters.Temperature == rows[i].Temperature && rows[i].Temperature == _batch.Temperatures(i, 1)[0], at);
            Assert.True((float)parameters.TopP == rows[i].TopP && parameters.TopK == rows[i].TopK && owner.Seed == rows[i].Seed, at);
            Assert.True((float)parameters.FrequencyPenalty == rows[i].FrequencyPenalty, at);
            Assert.True(position == rows[i].Position && position == _batch.Position(i), at);
            Assert.True(_batch.IsPlain(i) == (parameters.FrequencyPenalty == 0 && parameters.LogitBias is null), at);
        }
        int[] top = [.. requests.Select(request => request.LogprobOptions?.TopCount ?? -1)];
        Assert.Equal(new WantedScores(top.Max() >= 0, Math.Max(0, top.Max()), requests.Sum(request => request.LogprobOptions?.TokenIds.Length ?? 0)), _batch.Wanted);
    }

    private static Request Some(Random random) =>
        new("r", [.. Enumerable.Range(0, random.Next(1, 40))], new SamplingParams
        {
            Temperature = random.Next(1, 100) / 50.0,
            TopP = random.Next(1, 100) / 100.0,
            TopK = random.Next(2, 50),
            FrequencyPenalty = random.Next(3) == 0 ? 0.5 : 0,
            LogitBias = random.Next(3) == 0 ? new Dictionary<int, float> { [3] = 1 } : null,
        }, logprobs: random.Next(2) == 0 ? new LogprobOptions { TopCount = random.Next(4), TokenIds = [.. Enumerable.Range(0, random.Next(3))] } : null)
        {
            Owner = new Owner((ulong)random.NextInt64()),
        };

    private sealed record Owner(ulong Seed) : ISampledRequest
    {
        public int[] StopTokenIds => [2];
    }
}
