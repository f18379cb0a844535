using System.Globalization;
using SgLang.Core;
using SgLang.Runtime;

namespace SgLang.Engine.Tests.Ranks;

/// <summary>Ranks and memory nodes, on machines made up in a folder.</summary>
public sealed class NumaTopologyTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("numa").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private void AddNode(int node, string processors)
    {
        string path = Directory.CreateDirectory(Path.Combine(_directory, string.Create(CultureInfo.InvariantCulture, $"node{node}"))).FullName;
        File.WriteAllText(Path.Combine(path, "cpulist"), processors + "\n");
    }

    private NumaTopology Read(int numProcessors = 1024) => NumaTopology.Read(_directory, [.. Enumerable.Range(0, numProcessors)]);

    [Fact]
    public void Neighbours_share_a_node()
    {
        AddNode(0, "0-1,8-9");
        AddNode(1, "2-3,10");
        NumaTopology two = Read();
        Assert.Equal([[0, 1, 8, 9], [2, 3, 10]], new[] { 0, 1 }.Select(rank => two.ProcessorsOf(rank, 2)));
        Assert.Equal([[0, 1, 8, 9], [0, 1, 8, 9], [2, 3, 10], [2, 3, 10]], Enumerable.Range(0, 4).Select(rank => two.ProcessorsOf(rank, 4)));
        Assert.Equal([0, 0, 2], Enumerable.Range(0, 3).Select(rank => two.ProcessorsOf(rank, 3)[0]));
        Assert.Empty(two.ProcessorsOf(0, 1));
    }

    [Fact]
    public void Fewer_ranks_than_nodes_have_several_each()
    {
        for (int node = 0; node < 12; node++) AddNode(node, string.Create(CultureInfo.InvariantCulture, $"{2 * node}-{2 * node + 1}"));
        NumaTopology twelve = Read();
        Assert.Equal(Enumerable.Range(0, 24), Enumerable.Range(0, 5).SelectMany(rank => twelve.ProcessorsOf(rank, 5)));
        Assert.All(Enumerable.Range(0, 5), rank => Assert.InRange(twelve.ProcessorsOf(rank, 5).Length, 4, 6));
    }

    [Fact]
    public void Nodes_of_memory_alone_and_processors_that_are_not_ours_do_not_count()
    {
        AddNode(0, "0-3");
        AddNode(1, "4-7");
        AddNode(2, "");
        Directory.CreateDirectory(Path.Combine(_directory, "node_states"));
        Assert.Equal([[0, 1, 2, 3], [4, 5]], new[] { 0, 1 }.Select(rank => Read(6).ProcessorsOf(rank, 2)));
        Assert.Empty(Read(4).ProcessorsOf(0, 2));
        Assert.Equal([4, 5, 6, 7], Read().ProcessorsOfNode(1));
        Assert.Equal("--numa-node names node 2; nodes with processors that this process may use: 0, 1.", Assert.Throws<EngineStartException>(() => Read().ProcessorsOfNode(2)).Message);
        Assert.Empty(NumaTopology.Read("/nowhere", [0, 1]).ProcessorsOf(1, 2));
    }

    /// <summary>Two ranks on a machine said to have two nodes: each rank's thread and the workers of its device keep to theirs.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_threads_of_a_rank_keep_to_its_node(bool isReversed)
    {
        int[] processors = ThreadAffinity.Read();
        Assert.SkipWhen(processors.Length < 2, "one processor");
        AddNode(0, $"{processors[0]}");
        AddNode(1, $"{processors[1]}");
        EngineOptions options = TestModels.DemoOptions with { TpSize = 2, NumThreads = 4, NumaDirectory = _directory, NumaNodes = isReversed ? [1, 0] : [] };
        HashSet<string> before = [.. Bound()];
        await using InferenceEngine engine = InferenceEngine.Start(options);
        Collected answer = await Collected.ReadAsync(engine.Submit(new GenerationRequest
        {
            Rid = "r", InputIds = TestModels.DemoGoldens[0].InputIds, Sampling = new SamplingParams { Temperature = 0, MaxNewTokens = 4, IgnoreEos = true },
        }));
        Assert.Equal(TestModels.DemoGoldens[0].GreedyIds[..4], answer.Ids);
        string[] bound = [.. Bound().Where(thread => !before.Contains(thread)).Select(thread => thread[(thread.IndexOf(' ') + 1)..])];
        string first = $"{processors[isReversed ? 1 : 0]}", second = $"{processors[isReversed ? 0 : 1]}";
        Assert.Contains($"sgl-rank-0 {first}", bound);
        Assert.Contains($"sgl-rank-1 {second}", bound);
        // One worker each besides.
        Assert.Equal(2, bound.Count(thread => thread.EndsWith($" {first}", StringComparison.Ordinal)));
        Assert.Equal(2, bound.Count(thread => thread.EndsWith($" {second}", StringComparison.Ordinal)));
    }

    [Fact]
    public void As_many_nodes_as_ranks_must_be_named()
    {
        EngineOptions options = TestModels.DemoOptions with { TpSize = 2, NumaNodes = [0] };
        Assert.Equal("--numa-node names 1 nodes; one for each of 2 ranks (tp x pp x dp) is needed.", Assert.Throws<EngineStartException>(() => InferenceEngine.Start(options)).Message);
    }

    /// <summary>"id name processor" of the threads of this process that keep to one processor.</summary>
    private static IEnumerable<string> Bound()
    {
        foreach (string task in Directory.EnumerateDirectories("/proc/self/task"))
        {
            string[] lines;
            try
            {
                lines = File.ReadAllLines(Path.Combine(task, "status"));
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                continue; // it has ended
            }
            string name = lines[0]["Name:".Length..].Trim();
            string processors = lines.Single(line => line.StartsWith("Cpus_allowed_list:", StringComparison.Ordinal))["Cpus_allowed_list:".Length..].Trim();
            if (int.TryParse(processors, out _)) yield return $"{Path.GetFileName(task)} {name} {processors}";
        }
    }
}
