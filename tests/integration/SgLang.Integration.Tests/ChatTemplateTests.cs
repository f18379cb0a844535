using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using SgLang.Engine;
using SgLang.Server;

namespace SgLang.Integration.Tests;

/// <summary>A server whose --chat-template is a .json file.</summary>
public sealed class ChatTemplateTests(DemoServer demo)
{
    private const string Body = """{"messages":[{"role":"user","content":"Read Genesis 1."}],"temperature":0,"max_tokens":12,"ignore_eos":true}""";

    [Fact]
    public async Task Its_stop_strings_end_answers_and_the_tokenizer_adds_its_special_tokens()
    {
        (string whole, int[] ids) = await AskAsync("[]");
        Assert.True(whole.Length > 8, whole);
        string prompt = demo.Engine.Tokenizer!.Decode(ids, skipSpecialTokens: false);
        Assert.Equal(demo.Engine.Tokenizer.BosTokenId, ids[0]);
        Assert.EndsWith("SYS\n|USER: Read Genesis 1.|BOT:", prompt, StringComparison.Ordinal);
        string stop = whole[4..6];
        (string cut, _) = await AskAsync(new JsonArray(stop).ToJsonString());
        Assert.Equal(whole[..whole.IndexOf(stop, StringComparison.Ordinal)], cut);
    }

    private async Task<(string Answer, int[] Prompt)> AskAsync(string stops)
    {
        string path = Path.Combine(TestDirectory.Create("template"), "t.json");
        await File.WriteAllTextAsync(path, $$"""{"name":"x","system":"SYS","user":"USER","assistant":"BOT","sep_style":"ADD_COLON_SINGLE","sep":"|","stop_str":{{stops}}}""");
        await using InferenceEngine engine = InferenceEngine.Start(demo.Engine.Options with { MaxTotalTokens = 4096, ChatTemplate = path });
        await using ServerHost host = await ServerHost.StartAsync(engine, new ServerOptions { Port = 0, SkipServerWarmup = true }, NullLoggerFactory.Instance);
        using HttpClient client = DemoServer.ClientOf(host);
        (int status, JsonNode? answer) = await DemoServer.PostAsync(client, "/v1/chat/completions", Body);
        Assert.True(status == 200, $"{answer}");
        (_, JsonNode? tokens) = await DemoServer.PostAsync(client, "/tokenize", Body.Replace(",\"temperature\":0,\"max_tokens\":12,\"ignore_eos\":true", ""));
        return ((string)answer!["choices"]![0]!["message"]!["content"]!, [.. tokens!["tokens"]!.AsArray().Select(id => (int)id!)]);
    }
}
