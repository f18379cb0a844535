using SgLang.Engine;
using System.Text;
using SgLang.Protocol;
using SgLang.Protocol.Json;
using SgLang.Server.Serving;

namespace SgLang.Server.Tests.Serving;

public class NativePlanTests
{
    /// <summary>One id a character, 1 in front for the special token.</summary>
    internal static ServingFacts Facts(bool hasTokenizer = true) => new()
    {
        VocabularySize = 100,
        MaxRequestsPerBody = 8,
        Encode = hasTokenizer ? (text, special) => [.. special ? [1] : Array.Empty<int>(), .. text.Select(c => c % 100)] : null,
        DecodeToken = hasTokenizer ? id => $"<{id}>" : null,
        Decode = hasTokenizer ? ids => string.Concat(ids.Select(id => $"<{id}>")) : null,
    };

    private static NativePlan Plan(string json, ServingFacts? facts = null) =>
        NativePlan.Create(RequestJson.Parse(Encoding.UTF8.GetBytes(json), ProtocolJsonContext.Default.GenerateRequest), facts ?? Facts());

    private static string Error(string json, ServingFacts? facts = null) => Assert.Throws<InvalidRequestException>(() => Plan(json, facts)).Message;

    [Fact]
    public void A_single_prompt_is_one_request_with_the_defaults()
    {
        NativePlan plan = Plan("""{"text":"ab"}""");
        GenerationRequest item = Assert.Single(plan.Items);
        Assert.Equal([1, 97, 98], item.InputIds);
        Assert.Equal(32, item.Rid.Length);
        Assert.Equal(128, item.Sampling.MaxNewTokens);
        Assert.Null(item.Logprobs);
        Assert.False(item.IsStreaming);
        Assert.Equal((false, false, true, true), (plan.IsList, plan.Stream, plan.ReturnText, plan.LogMetrics));
    }

    [Fact]
    public void Items_are_prompt_major()
    {
        NativePlan plan = Plan("""{"input_ids":[[1],[2]],"rid":"r","stream":true,"sampling_params":{"n":2,"sampling_seed":5,"stream_interval":4}}""");
        Assert.Equal([1, 1, 2, 2], plan.Items.Select(item => item.InputIds[0]));
        Assert.Equal(["r_0", "r_1", "r_2", "r_3"], plan.Items.Select(item => item.Rid));
        Assert.Equal([5L, 6, 5, 6], plan.Items.Select(item => item.Sampling.Seed!.Value));
        Assert.All(plan.Items, item => Assert.Equal((1, 4, true), (item.Sampling.N, item.StreamInterval, item.IsStreaming)));
        Assert.True(plan.IsList);
    }

    [Theory]
    [InlineData("""{"text":"a","rid":"x"}""", "x")]
    [InlineData("""{"text":["a"],"rid":"x"}""", "x_0")]
    [InlineData("""{"text":["a","b"],"rid":"x"}""", "x_0 x_1")]
    [InlineData("""{"text":["a","b"],"rid":["x","y"]}""", "x y")]
    [InlineData("""{"text":["a","b"],"rid":["x","y"],"sampling_params":{"n":2}}""", "x_0 x_1 y_0 y_1")]
    [InlineData("""{"text":"a","rid":"x","sampling_params":{"n":2}}""", "x_0 x_1")]
    public void Rids_follow_the_rules(string json, string rids) => Assert.Equal(rids, string.Join(' ', Plan(json).Items.Select(item => item.Rid)));

    [Fact]
    public void Values_of_a_batch_go_to_their_prompts()
    {
        NativePlan plan = Plan("""
            {"input_ids":[[1],[2,3]],"sampling_params":[{"temperature":0.1},{"temperature":0.2}],"return_logprob":[true,false],"logprob_start_len":[0,1],"top_logprobs_num":[2,3],"token_ids_logprob":[[5,6],[7]]}
            """);
        Assert.Equal([0.1, 0.2], plan.Items.Select(item => item.Sampling.Temperature));
        Assert.Equal((0, 2), (plan.Items[0].Logprobs!.StartLength, plan.Items[0].Logprobs!.TopCount));
        Assert.Equal([5, 6], plan.Items[0].Logprobs!.TokenIds);
        Assert.Null(plan.Items[1].Logprobs);
    }

    [Theory]
    [InlineData("""{"text":"a","input_ids":[1]}""", "Either text, input_ids or input_embeds should be provided.")]
    [InlineData("""{}""", "Either text, input_ids or input_embeds should be provided.")]
    [InlineData("""{"text":[]}""", "text cannot be an empty list.")]
    [InlineData("""{"input_ids":[]}""", "input_ids cannot be empty.")]
    [InlineData("""{"text":["a","b"],"token_ids_logprob":[[1]],"return_logprob":true}""", "token_ids_logprob must be one value or a list with one for each of the 2 prompts, got 1.")]
    [InlineData("""{"text":"a","token_ids_logprob":[256],"return_logprob":true}""", "token_ids_logprob must be in [0, 99], got 256.")]
    [InlineData("""{"text":["a","b"],"return_logprob":[true]}""", "return_logprob must be one value or a list with one for each of the 2 prompts, got 1.")]
    [InlineData("""{"text":["a","b"],"top_logprobs_num":[1,2,3]}""", "top_logprobs_num must be one value or a list with one for each of the 2 prompts, got 3.")]
    [InlineData("""{"text":"a","rid":""}""", "rid cannot be an empty string.")]
    [InlineData("""{"text":"a","sampling_params":{"n":9}}""", "1 prompts times n = 9 is more than the 8 requests one body may hold; send fewer.")]
    [InlineData("""{"text":"a","sampling_params":{"top_p":0}}""", "top_p must be in (0, 1], got 0.")]
    [InlineData("""{"text":"a","return_logprob":true,"logprob_start_len":-2}""", "logprob_start_len must be -1 or in [0, 2], the prompt's length, got -2.")]
    [InlineData("""{"text":"a","return_logprob":true,"top_logprobs_num":101}""", "top_logprobs_num must be in [0, 100], got 101.")]
    [InlineData("""{"text":"a","lora_path":"x"}""", "lora_path is not supported by this server; remove it from the request.")]
    public void What_is_wrong_is_said(string json, string message) => Assert.Equal(message, Error(json));

    [Theory]
    [InlineData("""{"text":"a"}""", "text needs a tokenizer, and this server runs without one; send input_ids instead.")]
    [InlineData("""{"input_ids":[1],"sampling_params":{"stop":"a"}}""", "stop needs a tokenizer, and this server runs without one; use stop_token_ids instead.")]
    [InlineData("""{"input_ids":[1],"sampling_params":{"min_new_tokens":1}}""", "min_new_tokens needs a tokenizer, and this server runs without one.")]
    public void Without_a_tokenizer_text_is_refused(string json, string message) => Assert.Equal(message, Error(json, Facts(hasTokenizer: false)));

    [Fact]
    public void Without_a_tokenizer_ids_work_and_no_text_is_returned()
    {
        Assert.False(Plan("""{"input_ids":[1]}""", Facts(hasTokenizer: false)).ReturnText);
    }
}
