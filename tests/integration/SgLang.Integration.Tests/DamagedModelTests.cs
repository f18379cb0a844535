using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;

namespace SgLang.Integration.Tests;

/// <summary>Model directories that cannot be served: exit code 1 and a message that says what is wrong with which file.</summary>
public sealed class DamagedModelTests : IDisposable
{
    private readonly string _directory = TestDirectory.Create("sgl-damaged");

    public DamagedModelTests()
    {
        foreach (string file in Directory.GetFiles(DemoServer.ModelPath)) File.Copy(file, Path.Combine(_directory, Path.GetFileName(file)));
    }

    private string Weights => Path.Combine(_directory, "model.safetensors");
    private string Config => Path.Combine(_directory, "config.json");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private async Task FailsWith(params string[] parts)
    {
        await using ServerProcess server = ServerProcess.Start("launch-server", "--model-path", _directory, "--device", "cpu", "--max-total-tokens", "4096", "--port", "0");
        int code = await server.ExitAsync();
        Assert.True(code == 1, $"exit code {code}:\n{server.Output}");
        foreach (string part in parts) Assert.Contains(part, server.Output, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("   at ", server.Output);
    }

    /// <summary>Rewrites the header of the weights; the data stay where they are.</summary>
    private void EditHeader(Action<JsonObject> edit)
    {
        byte[] file = File.ReadAllBytes(Weights);
        int length = (int)BinaryPrimitives.ReadUInt64LittleEndian(file);
        JsonObject header = (JsonObject)JsonNode.Parse(file.AsSpan(8, length))!;
        edit(header);
        byte[] text = Encoding.UTF8.GetBytes(header.ToJsonString());
        byte[] size = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(size, (ulong)text.Length);
        File.WriteAllBytes(Weights, [.. size, .. text, .. file.AsSpan(8 + length)]);
    }

    private void EditConfig(Action<JsonObject> edit)
    {
        JsonObject config = (JsonObject)JsonNode.Parse(File.ReadAllText(Config))!;
        edit(config);
        File.WriteAllText(Config, config.ToJsonString());
    }

    [Fact]
    public async Task Truncated_weights()
    {
        using (FileStream file = File.OpenWrite(Weights)) file.SetLength(file.Length / 2);
        await FailsWith("model.safetensors");
    }

    [Fact]
    public async Task A_header_that_lies_about_its_length()
    {
        using (FileStream file = File.OpenWrite(Weights)) file.Write([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]);
        await FailsWith("model.safetensors");
    }

    [Fact]
    public async Task A_header_that_lies_about_offsets()
    {
        EditHeader(header => header.First(entry => entry.Key != "__metadata__").Value!["data_offsets"] = new JsonArray(0, 1L << 40));
        await FailsWith("model.safetensors");
    }

    [Fact]
    public async Task A_missing_tensor()
    {
        EditHeader(header =>
        {
            JsonNode tensor = header["model.layers.3.mlp.up_proj.weight"]!;
            header.Remove("model.layers.3.mlp.up_proj.weight");
            header["model.layers.3.mlp.something_else"] = tensor;
        });
        await FailsWith("model.layers.3.mlp.up_proj.weight");
    }

    [Fact]
    public async Task A_tensor_of_the_wrong_shape()
    {
        EditConfig(config => config["intermediate_size"] = 700);
        await FailsWith("mlp", "700", "704");
    }

    [Fact]
    public async Task An_unsupported_architecture_lists_those_that_are()
    {
        EditConfig(config => config["architectures"] = new JsonArray("MysteryForCausalLM"));
        await FailsWith("MysteryForCausalLM", "LlamaForCausalLM", "Qwen3ForCausalLM");
    }

    [Fact]
    public async Task A_config_that_is_not_json()
    {
        File.WriteAllText(Config, "{\"architectures\": [");
        await FailsWith("config.json");
    }

    [Fact]
    public async Task No_config()
    {
        File.Delete(Config);
        await FailsWith("config.json");
    }

    [Fact]
    public async Task No_weights()
    {
        File.Delete(Weights);
        await FailsWith("safetensors", _directory);
    }

    [Fact]
    public async Task A_tokenizer_that_is_not_json()
    {
        File.WriteAllText(Path.Combine(_directory, "tokenizer.json"), "{");
        await FailsWith("tokenizer.json");
    }

    [Fact]
    public async Task Without_a_tokenizer_ids_still_work()
    {
        foreach (string file in Directory.GetFiles(_directory, "tokenizer*")) File.Delete(file);
        await using ServerProcess server = ServerProcess.Start("launch-server", "--model-path", _directory, "--device", "cpu", "--num-threads", "1", "--dtype", "float32", "--max-total-tokens", "4096", "--port", "0");
        using var client = new HttpClient { BaseAddress = await server.ReadyAsync(), Timeout = DemoServer.Deadline };
        Golden.Case golden = Golden.Cases[0];
        (int status, JsonNode? answer) = await DemoServer.PostAsync(client, "/generate", $$"""{"input_ids":{{golden.InputJson}},"sampling_params":{"max_new_tokens":5,"temperature":0,"ignore_eos":true} }""");
        Assert.Equal(200, status);
        Assert.Equal(golden.GreedyIds[..5], answer!["output_ids"]!.AsArray().Select(id => (int)id!));
        Assert.Null(answer["text"]);
        (int refused, JsonNode? body) = await DemoServer.PostAsync(client, "/generate", """{"text":"a"}""");
        Assert.Equal((400, "text needs a tokenizer, and this server runs without one; send input_ids instead."), (refused, (string?)body!["error"]!["message"]));
        (refused, body) = await DemoServer.PostAsync(client, "/generate", """{"input_ids":[1],"sampling_params":{"stop":"a"}}""");
        Assert.Equal((400, "stop needs a tokenizer, and this server runs without one; use stop_token_ids instead."), (refused, (string?)body!["error"]!["message"]));
        Assert.Contains("There is no tokenizer", server.Output);
    }
}
