using System.Buffers.Binary;
using System.ClientModel;
using System.Text.Json.Nodes;
using OpenAI;
using OpenAI.Embeddings;
using SgLang.Server;

namespace SgLang.Integration.Tests;

/// <summary>/v1/embeddings and /encode of a server started for them; the numbers themselves are proven at the engine.</summary>
public sealed class EmbeddingTests(DemoServer demo)
{
    private const int Width = 256;
    private static ServerHost? s_host;

    private async Task<ServerHost> HostAsync() => s_host ??= await demo.StartHostAsync(new ServerOptions { IsEmbedding = true, EnableCacheReport = true });

    private async Task<JsonNode> EmbedAsync(string body, string path = "/v1/embeddings")
    {
        using HttpClient client = DemoServer.ClientOf(await HostAsync());
        (int status, JsonNode? answer) = await DemoServer.PostAsync(client, path, body);
        Assert.True(status == 200, $"{status}: {answer}");
        return answer!;
    }

    private static float[] Vector(JsonNode item) => [.. item["embedding"]!.AsArray().Select(value => (float)value!)];

    private static void AssertClose(float[] expected, float[] actual)
    {
        Assert.Equal(Width, actual.Length);
        Assert.Equal(1, actual.Sum(value => (double)value * value), 1e-4);
        Assert.True(expected.Zip(actual, (a, b) => Math.Abs(a - b)).Max() < 1e-4);
    }

    [Theory]
    [InlineData("/encode", "input_ids", "error.message")]
    [InlineData("/v1/embeddings", "input", "message")]
    public async Task Prompts_of_different_keys_share_no_cache(string path, string field, string message)
    {
        string ids = string.Join(',', Enumerable.Range(0, 50).Select(_ => 300 + Random.Shared.Next(3000)));
        async Task<int> CachedAsync(string key)
        {
            JsonNode answer = await EmbedAsync($$"""{"{{field}}":[{{ids}}]{{key}}}""", path);
            return (int)(answer["meta_info"]?["cached_tokens"] ?? answer["usage"]!["prompt_tokens_details"]!["cached_tokens"])!;
        }
        Assert.Equal(0, await CachedAsync(""));
        Assert.Equal(0, await CachedAsync(",\"extra_key\":\"ab\""));
        Assert.True(await CachedAsync(",\"extra_key\":[\"ab\"]") >= 32);
        Assert.True(await CachedAsync("") >= 32);
        if (path.StartsWith("/v1", StringComparison.Ordinal))
        {
            // The salt comes before the key.
            Assert.Equal(0, await CachedAsync(",\"cache_salt\":\"b\",\"extra_key\":\"a\""));
            Assert.True(await CachedAsync(",\"cache_salt\":\"a\",\"extra_key\":\"b\"") >= 32);
        }
        using HttpClient client = DemoServer.ClientOf(await HostAsync());
        (int status, JsonNode? refused) = await DemoServer.PostAsync(client, path, $$"""{"{{field}}":[{{ids}}],"extra_key":["a","b"]}""");
        JsonNode text = message.Split('.').Aggregate(refused!, (node, name) => node[name]!);
        Assert.Equal((400, "extra_key must be one value or a list with one for each of the 1 prompts, got 2."), (status, (string?)text));
    }

    [Fact]
    public async Task A_text_its_ids_and_a_batch_of_either_give_the_same_vectors()
    {
        string[] texts = ["Hello, world!", "A cat sat on the mat.", "x"];
        JsonArray ids = [];
        foreach (string text in texts) ids.Add((await demo.PostOkAsync("/tokenize", new JsonObject { ["prompt"] = text }.ToJsonString()))["tokens"]!.DeepClone());
        JsonNode batch = await EmbedAsync(new JsonObject { ["model"] = "m", ["input"] = new JsonArray([.. texts.Select(text => (JsonNode)text)]) }.ToJsonString());
        Assert.Equal(("list", "m"), ((string?)batch["object"], (string?)batch["model"]));
        int tokens = ids.Sum(list => list!.AsArray().Count);
        Assert.Equal((tokens, tokens, 0), ((int)batch["usage"]!["prompt_tokens"]!, (int)batch["usage"]!["total_tokens"]!, (int)batch["usage"]!["completion_tokens"]!));
        JsonNode batchOfIds = await EmbedAsync(new JsonObject { ["input"] = ids.DeepClone() }.ToJsonString());
        for (int i = 0; i < texts.Length; i++)
        {
            JsonNode item = batch["data"]![i]!;
            Assert.Equal((i, "embedding"), ((int)item["index"]!, (string?)item["object"]));
            float[] expected = Vector(item);
            AssertClose(expected, Vector(batchOfIds["data"]![i]!));
            AssertClose(expected, Vector((await EmbedAsync(new JsonObject { ["input"] = texts[i] }.ToJsonString()))["data"]![0]!));
            AssertClose(expected, Vector((await EmbedAsync(new JsonObject { ["input"] = ids[i]!.DeepClone() }.ToJsonString()))["data"]![0]!));
            AssertClose(expected, Vector(await EmbedAsync(new JsonObject { ["text"] = texts[i] }.ToJsonString(), "/encode")));
        }
    }

    [Fact]
    public async Task Base64_holds_the_same_floats()
    {
        const string Input = "\"Hello, world!\"";
        float[] numbers = Vector((await EmbedAsync($$"""{"input":{{Input}},"encoding_format":"float"}"""))["data"]![0]!);
        byte[] bytes = Convert.FromBase64String((string)(await EmbedAsync($$"""{"input":{{Input}},"encoding_format":"base64"}"""))["data"]![0]!["embedding"]!);
        float[] decoded = [.. Enumerable.Range(0, bytes.Length / 4).Select(i => BinaryPrimitives.ReadSingleLittleEndian(bytes.AsSpan(4 * i)))];
        AssertClose(numbers, decoded);
    }

    [Fact]
    public async Task Encode_answers_one_by_an_object_and_several_by_a_list_in_order()
    {
        JsonNode one = await EmbedAsync("""{"input_ids":[5,6,7],"rid":"enc"}""", "/encode");
        Assert.Equal(("enc", 3, 0), ((string?)one["meta_info"]!["id"], (int)one["meta_info"]!["prompt_tokens"]!, (int)one["meta_info"]!["completion_tokens"]!));
        JsonArray many = (await EmbedAsync("""{"input_ids":[[5,6,7],[9]],"rid":["a","b"]}""", "/encode")).AsArray();
        Assert.Equal(["a", "b"], many.Select(item => (string?)item!["meta_info"]!["id"]));
        AssertClose(Vector(one), Vector(many[0]!));
    }

    [Fact]
    public async Task The_official_client_reads_them()
    {
        ServerHost host = await HostAsync();
        EmbeddingClient client = new OpenAIClient(new ApiKeyCredential("none"), new OpenAIClientOptions { Endpoint = new Uri(host.Address, "v1") }).GetEmbeddingClient("m");
        OpenAIEmbeddingCollection all = await client.GenerateEmbeddingsAsync(["Hello, world!", "x"]);
        Assert.Equal(2, all.Count);
        Assert.True(all.Usage.InputTokenCount > 2);
        AssertClose(Vector((await EmbedAsync("""{"input":"Hello, world!"}"""))["data"]![0]!), all[0].ToFloats().ToArray());
    }

    [Theory]
    [InlineData("""{"input":""}""", "Input cannot be empty")]
    [InlineData("""{"input":[]}""", "Input cannot be empty")]
    [InlineData("""{}""", "Input cannot be empty")]
    [InlineData("""{"input":["a",""]}""", "Input at index 1 cannot be empty")]
    [InlineData("""{"input":[[1],[]]}""", "Input at index 1 cannot be empty")]
    [InlineData("""{"input":[4096]}""", "input_ids must be in [0, 4095], got 4096.")]
    [InlineData("""{"input":"a","encoding_format":"int8"}""", "encoding_format must be \"float\" or \"base64\", got \"int8\".")]
    [InlineData("""{"input":"a","dimensions":64}""", "dimensions must be 256: the model's embeddings cannot be cut, got 64.")]
    [InlineData("""{"input":"a","rid":""}""", "rid cannot be an empty string.")]
    public async Task What_cannot_be_embedded_is_refused(string body, string message)
    {
        using HttpClient client = DemoServer.ClientOf(await HostAsync());
        (int status, JsonNode? answer) = await DemoServer.PostAsync(client, "/v1/embeddings", body);
        Assert.Equal((400, message), (status, (string?)answer!["message"]));
    }

    [Fact]
    public async Task Each_kind_of_server_refuses_the_others_work()
    {
        (int status, JsonNode? answer) = await demo.PostAsync("/v1/embeddings", """{"input":"a"}""");
        Assert.Equal((400, "This server generates text; start it with --is-embedding to serve embeddings."), (status, (string?)answer!["message"]));
        Assert.Equal(400, (await demo.PostAsync("/encode", """{"text":"a"}""")).Status);
        ServerHost host = await HostAsync();
        using HttpClient client = DemoServer.ClientOf(host);
        foreach ((string path, string body) in new[]
                 {
                     ("/generate", """{"text":"a"}"""), ("/v1/completions", """{"prompt":"a"}"""), ("/v1/chat/completions", """{"messages":[{"role":"user","content":"a"}]}"""),
                 })
        {
            (status, answer) = await DemoServer.PostAsync(client, path, body);
            Assert.Equal(400, status);
            Assert.Contains("--is-embedding", answer!.ToJsonString());
        }
        JsonNode info = JsonNode.Parse(await client.GetStringAsync("/model_info"))!;
        Assert.False((bool)info["is_generation"]!);
        Assert.True((bool)(await demo.GetOkAsync("/model_info"))["is_generation"]!);
    }
}
