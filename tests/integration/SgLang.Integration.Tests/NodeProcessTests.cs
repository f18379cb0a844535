using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;

namespace SgLang.Integration.Tests;

/// <summary>`sglang launch-server` on several nodes, each a process of its own; one is killed, stopped, or cut off.</summary>
public sealed class NodeProcessTests(DemoServer demo)
{
    private const string Prompt = """{"text": "Call me Ishmael.", "sampling_params": {"temperature": 0, "max_new_tokens": 12, "ignore_eos": true}}""";

    /// <summary>What the issue grants from the loss of a node to the error of its requests.</summary>
    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(10);

    private static string Long(int replica) =>
        $$"""{"text":"a","stream":true,"routed_dp_rank":{{replica}},"sampling_params":{"max_new_tokens":2000,"temperature":0,"ignore_eos":true} }""";

    private static ServerProcess[] Start(int nodes, string address, params string[] layout) =>
    [
        .. Enumerable.Range(0, nodes).Select(rank => ServerProcess.Start(
            ["launch-server", "--model-path", DemoServer.ModelPath, "--device", "cpu", "--dtype", "float32", "--port", "0", "--max-total-tokens", "8192", "--num-threads", "1",
             "--nnodes", $"{nodes}", "--node-rank", $"{rank}", "--dist-init-addr", address, .. layout])),
    ];

    private static string FreeAddress()
    {
        using TcpListener probe = new(IPAddress.Loopback, 0);
        probe.Start();
        return probe.LocalEndpoint.ToString()!;
    }

    private static async Task<(Task<string> Remainder, HttpResponseMessage Response)> BeginAsync(HttpClient client, int replica)
    {
        HttpRequestMessage request = new(HttpMethod.Post, "/generate") { Content = DemoServer.Json(Long(replica)) };
        HttpResponseMessage response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Stream stream = await response.Content.ReadAsStreamAsync();
        Assert.True(await stream.ReadAsync(new byte[16]) > 0);
        return (new StreamReader(stream).ReadToEndAsync(), response);
    }

    [Theory]
    [InlineData(2, "--dp-size", "2", "--load-balance-method", "round_robin")]
    [InlineData(2, "--pp-size", "2")]
    [InlineData(3, "--pp-size", "3")]
    [InlineData(2, "--pp-size", "2", "--tp-size", "2")]
    public async Task Nodes_together_answer_as_one_does(int nodes, params string[] layout)
    {
        JsonNode expected = await demo.PostOkAsync("/generate", Prompt);
        ServerProcess[] all = Start(nodes, FreeAddress(), layout);
        try
        {
            using HttpClient client = new() { BaseAddress = await all[0].ReadyAsync(), Timeout = DemoServer.Deadline };
            for (int i = 0; i < 3; i++)
            {
                (int status, JsonNode? answer) = await DemoServer.PostAsync(client, "/generate", Prompt);
                Assert.True(status == 200, $"{status}: {answer}");
                Assert.Equal((string?)expected["text"], (string?)answer!["text"]);
            }
            all[0].Signal("TERM");
            foreach (ServerProcess node in all) Assert.True(await node.ExitAsync() == 0, node.Output);
            Assert.Contains("node 0 has shut down", all[1].Output);
        }
        finally
        {
            foreach (ServerProcess node in all) await node.DisposeAsync();
        }
    }

    /// <summary>A killed process closes its connections; a stopped one only falls silent, as one whose cable is pulled.</summary>
    [Theory]
    [InlineData("KILL")]
    [InlineData("STOP")]
    public async Task Requests_of_a_lost_node_end_within_10_seconds_and_the_other_replicas_go_on(string signal)
    {
        ServerProcess[] all = Start(3, FreeAddress(), "--dp-size", "3");
        try
        {
            using HttpClient client = new() { BaseAddress = await all[0].ReadyAsync(), Timeout = DemoServer.Deadline };
            (Task<string> rest, HttpResponseMessage response) = await BeginAsync(client, 2);
            using (response)
            {
                long start = Stopwatch.GetTimestamp();
                all[2].Signal(signal);
                string text = await rest;
                Assert.True(Stopwatch.GetElapsedTime(start) < s_grace, $"the request ended after {Stopwatch.GetElapsedTime(start)}");
                Assert.Contains("node 2 is lost", text);
            }
            foreach (int replica in new[] { 0, 1 })
            {
                (int status, JsonNode? answer) = await DemoServer.PostAsync(client, "/generate", $$"""{"text": "a", "routed_dp_rank": {{replica}}, "sampling_params": {"max_new_tokens": 4} }""");
                Assert.True(status == 200, $"{status}: {answer}");
            }
            Assert.Contains("node 2 is lost", all[0].Output);
        }
        finally
        {
            all[2].TrySignal("CONT");
            foreach (ServerProcess node in all) await node.DisposeAsync();
        }
    }

    [Theory]
    [InlineData("KILL", 1)]
    [InlineData("STOP", 1)]
    [InlineData("KILL", 0)]
    public async Task Stages_without_one_of_them_stop_with_a_message(string signal, int lost)
    {
        ServerProcess[] all = Start(2, FreeAddress(), "--pp-size", "2");
        try
        {
            using HttpClient client = new() { BaseAddress = await all[0].ReadyAsync(), Timeout = DemoServer.Deadline };
            (Task<string> rest, HttpResponseMessage response) = await BeginAsync(client, 0);
            using (response)
            {
                all[lost].Signal(signal);
                if (lost == 0) await Record.ExceptionAsync(() => rest);
                else Assert.Contains("node 1 is lost", await rest.WaitAsync(s_grace));
            }
            Assert.True(await all[1 - lost].ExitAsync() == 1, all[1 - lost].Output);
            Assert.Contains($"node {lost} is lost", all[1 - lost].Output);
        }
        finally
        {
            all[lost].TrySignal("CONT");
            foreach (ServerProcess node in all) await node.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_node_whose_network_is_cut_is_lost_to_both_sides()
    {
        await using NetworkNamespace? other = await NetworkNamespace.TryCreateAsync();
        Assert.SkipWhen(other is null, "network namespaces cannot be made here: it takes `ip netns` and the rights for it");
        string[] arguments = ["launch-server", "--model-path", DemoServer.ModelPath, "--device", "cpu", "--port", "0", "--max-total-tokens", "8192", "--num-threads", "1",
            "--nnodes", "2", "--dp-size", "2", "--dist-init-addr", $"{other.HostAddress}:29500"];
        await using ServerProcess head = ServerProcess.Start([.. arguments, "--node-rank", "0"]);
        await using ServerProcess node = ServerProcess.StartIn(other.Command, [], [.. arguments, "--node-rank", "1"]);
        using HttpClient client = new() { BaseAddress = await head.ReadyAsync(), Timeout = DemoServer.Deadline };
        (Task<string> rest, HttpResponseMessage response) = await BeginAsync(client, 1);
        using (response)
        {
            await other.CutAsync();
            Assert.Contains("node 1 is lost", await rest.WaitAsync(s_grace));
        }
        (int status, JsonNode? answer) = await DemoServer.PostAsync(client, "/generate", Prompt);
        Assert.True(status == 200, $"{status}: {answer}");
        Assert.True(await node.ExitAsync() == 1, node.Output);
        Assert.Contains("node 0 is lost", node.Output);
    }

    [Fact]
    public async Task Tensor_ranks_on_several_nodes_are_refused_with_the_reason()
    {
        await using ServerProcess server = ServerProcess.Start("launch-server", "--model-path", DemoServer.ModelPath, "--tp-size", "2", "--nnodes", "2", "--dist-init-addr", "127.0.0.1:1");
        Assert.Equal(2, await server.ExitAsync());
        Assert.Contains("Tensor parallelism stays within a node", server.Output);
    }
}
