using System.ClientModel;
using System.Text;
using Microsoft.Extensions.AI;
using OpenAI;
using OpenAI.Chat;
using OpenAI.Models;
using SgLang.Server;

namespace SgLang.Integration.Tests;

/// <summary>The official OpenAI client, and Microsoft.Extensions.AI over it, know nothing of this server and must not need to.</summary>
public class OpenAIClientTests(DemoServer demo)
{
    private OpenAIClient Client(ServerHost? host = null, string key = "none") => new(
        new ApiKeyCredential(key), new OpenAIClientOptions { Endpoint = new Uri((host ?? demo.Host).Address, "v1"), RetryPolicy = new System.ClientModel.Primitives.ClientRetryPolicy(0) });

    private ChatClient Chat() => Client().GetChatClient(DemoServer.ModelName);

    private static readonly ChatCompletionOptions s_greedy = new() { Temperature = 0, MaxOutputTokenCount = 12 };

    [Fact]
    public async Task A_chat_is_answered()
    {
        ChatCompletion completion = await Chat().CompleteChatAsync([new SystemChatMessage("Be brief."), new UserChatMessage("Hello, world!")], s_greedy);
        Assert.Equal(ChatMessageRole.Assistant, completion.Role);
        Assert.Equal(DemoServer.ModelName, completion.Model);
        Assert.Contains(completion.FinishReason, new[] { OpenAI.Chat.ChatFinishReason.Stop, OpenAI.Chat.ChatFinishReason.Length });
        Assert.InRange(completion.Usage.OutputTokenCount, 1, 12);
        Assert.True(completion.Usage.InputTokenCount > 5);
    }

    [Fact]
    public async Task A_streamed_chat_has_the_same_text()
    {
        ChatCompletion whole = await Chat().CompleteChatAsync([new UserChatMessage("Hello, world!")], s_greedy);
        var text = new StringBuilder();
        OpenAI.Chat.ChatFinishReason? finish = null;
        int? outputTokens = null;
        await foreach (StreamingChatCompletionUpdate update in Chat().CompleteChatStreamingAsync([new UserChatMessage("Hello, world!")], s_greedy))
        {
            foreach (ChatMessageContentPart part in update.ContentUpdate) text.Append(part.Text);
            finish = update.FinishReason ?? finish;
            outputTokens = update.Usage?.OutputTokenCount ?? outputTokens;
        }
        Assert.Equal(string.Concat(whole.Content.Select(part => part.Text)), text.ToString());
        Assert.Equal(whole.FinishReason, finish);
        Assert.Equal(whole.Usage.OutputTokenCount, outputTokens);
    }

    [Fact]
    public async Task Logprobs_are_understood()
    {
        ChatCompletion completion = await Chat().CompleteChatAsync(
            [new UserChatMessage("Hello, world!")], new ChatCompletionOptions { Temperature = 0, MaxOutputTokenCount = 5, IncludeLogProbabilities = true, TopLogProbabilityCount = 3 });
        Assert.Equal(completion.Usage.OutputTokenCount, completion.ContentTokenLogProbabilities.Count);
        Assert.All(completion.ContentTokenLogProbabilities, token => Assert.Equal(3, token.TopLogProbabilities.Count));
    }

    [Fact]
    public async Task A_bad_request_is_an_exception_with_its_status()
    {
        var error = await Assert.ThrowsAsync<ClientResultException>(async () => await Chat().CompleteChatAsync([new UserChatMessage("a")], new ChatCompletionOptions { Temperature = -1 }));
        Assert.Equal(400, error.Status);
        Assert.Contains("temperature must be a non-negative finite number, got -1.", error.GetRawResponse()!.Content.ToString());
    }

    [Fact]
    public async Task Models_are_listed()
    {
        OpenAIModelClient models = Client().GetOpenAIModelClient();
        ClientResult<OpenAIModelCollection> list = await models.GetModelsAsync();
        Assert.Equal([DemoServer.ModelName], list.Value.Select(model => model.Id));
        ClientResult<OpenAIModel> one = await models.GetModelAsync(DemoServer.ModelName);
        Assert.Equal("sglang", one.Value.OwnedBy);
    }

    [Fact]
    public async Task The_clients_key_opens_a_server_that_asks_for_one()
    {
        ServerHost host = await demo.StartHostAsync(new ServerOptions { ApiKey = "secret" });
        ChatCompletion completion = await Client(host, "secret").GetChatClient("m").CompleteChatAsync([new UserChatMessage("a")], s_greedy);
        Assert.True(completion.Usage.OutputTokenCount > 0);
        var error = await Assert.ThrowsAsync<ClientResultException>(async () => await Client(host, "wrong").GetChatClient("m").CompleteChatAsync([new UserChatMessage("a")], s_greedy));
        Assert.Equal(401, error.Status);
    }

    [Fact]
    public async Task The_chat_client_of_extensions_ai_answers_and_streams()
    {
        using IChatClient client = Chat().AsIChatClient();
        var options = new ChatOptions { Temperature = 0, MaxOutputTokens = 12 };
        ChatResponse whole = await client.GetResponseAsync("Hello, world!", options);
        Assert.NotEqual("", whole.Text);
        Assert.True(whole.Usage?.OutputTokenCount > 0);
        var updates = new List<ChatResponseUpdate>();
        await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync("Hello, world!", options)) updates.Add(update);
        ChatResponse gathered = updates.ToChatResponse();
        Assert.Equal(whole.Text, gathered.Text);
        Assert.Equal(whole.FinishReason, gathered.FinishReason);
        Assert.Equal(whole.Usage?.OutputTokenCount, gathered.Usage?.OutputTokenCount);
    }

    [Fact]
    public async Task A_conversation_goes_on()
    {
        using IChatClient client = Chat().AsIChatClient();
        var history = new List<Microsoft.Extensions.AI.ChatMessage> { new(ChatRole.System, "Be brief."), new(ChatRole.User, "Hello, world!") };
        ChatResponse first = await client.GetResponseAsync(history, new ChatOptions { Temperature = 0, MaxOutputTokens = 6 });
        history.AddRange(first.Messages);
        history.Add(new(ChatRole.User, "And then?"));
        ChatResponse second = await client.GetResponseAsync(history, new ChatOptions { Temperature = 0, MaxOutputTokens = 6 });
        Assert.True(second.Usage?.InputTokenCount > first.Usage?.InputTokenCount + first.Usage?.OutputTokenCount);
    }
}
