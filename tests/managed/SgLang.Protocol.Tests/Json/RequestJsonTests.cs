using System.Text;
using SgLang.Protocol.Json;

namespace SgLang.Protocol.Tests.Json;

public class RequestJsonTests
{
    private static GenerateRequest Generate(string json) => RequestJson.Parse(Encoding.UTF8.GetBytes(json), ProtocolJsonContext.Default.GenerateRequest);

    private static string GenerateError(string json) => Assert.Throws<MalformedBodyException>(() => Generate(json)).Message;

    private static string ChatError(string json) => Assert.Throws<MalformedBodyException>(
        () => RequestJson.Parse(Encoding.UTF8.GetBytes(json), ProtocolJsonContext.Default.ChatCompletionRequest)).Message;

    private static string CompletionError(string json) => Assert.Throws<MalformedBodyException>(
        () => RequestJson.Parse(Encoding.UTF8.GetBytes(json), ProtocolJsonContext.Default.CompletionRequest)).Message;

    [Theory]
    [InlineData("""{"text":1}""", "text must be a string or a list of strings, got 1.")]
    [InlineData("""{"text":["a",2]}""", "text[1] must be a string, got 2.")]
    [InlineData("""{"text":{"a":1}}""", "text must be a string or a list of strings, got an object.")]
    [InlineData("""{"input_ids":"1,2"}""", "input_ids must be a list of token ids or a list of such lists, got a string.")]
    [InlineData("""{"input_ids":[1,"2"]}""", "input_ids[1] must be an integer, got a string.")]
    [InlineData("""{"input_ids":[[1],2]}""", "input_ids[1] must be a list of token ids, got 2.")]
    [InlineData("""{"input_ids":[1.5]}""", "input_ids must be an integer, got 1.5.")]
    [InlineData("""{"input_ids":[99999999999]}""", "input_ids must be an integer in [-2147483648, 2147483647], got 99999999999.")]
    [InlineData("""{"stream":"yes"}""", "stream must be true or false, got a string.")]
    [InlineData("""{"stream":1}""", "stream must be true or false, got 1.")]
    [InlineData("""{"rid":7}""", "rid must be a string or a list of strings, got 7.")]
    [InlineData("""{"return_logprob":[true,0]}""", "return_logprob[1] must be true or false, got 0.")]
    [InlineData("""{"top_logprobs_num":"3"}""", "top_logprobs_num must be an integer, got a string.")]
    [InlineData("""{"sampling_params":3}""", "sampling_params must be an object, got 3.")]
    [InlineData("""{"sampling_params":{"temperature":"hot"}}""", "sampling_params.temperature must be a number, got a string.")]
    [InlineData("""{"sampling_params":{"max_new_tokens":2.5}}""", "sampling_params.max_new_tokens must be an integer, got 2.5.")]
    [InlineData("""{"sampling_params":[{},{"top_k":true}]}""", "sampling_params[1].top_k must be an integer, got true.")]
    [InlineData("""{"sampling_params":{"stop":[1]}}""", "sampling_params.stop[0] must be a string, got 1.")]
    [InlineData("""{"sampling_params":{"logit_bias":[1]}}""", "sampling_params.logit_bias has a value of the wrong type.")]
    [InlineData("""{"sampling_params":{"logit_bias":{"5":"x"}}}""", "sampling_params.logit_bias.5 must be a number, got a string.")]
    [InlineData("""{"text":"\ud800"}""", "text must be Unicode text; it has half of a surrogate pair or bytes that are not UTF-8.")]
    [InlineData("""[1]""", "The request body must be a JSON object.")]
    [InlineData("""null""", "The request body must be a JSON object, got null.")]
    [InlineData("", "The request body is empty; a JSON object is expected.")]
    public void Wrong_types_are_named(string json, string message) => Assert.Equal(message, GenerateError(json));

    [Theory]
    [InlineData("""{"messages":[],"temperature":"1"}""", "temperature must be a number, got a string.")]
    [InlineData("""{"stream_options":{"include_usage":1}}""", "stream_options.include_usage must be true or false, got 1.")]
    [InlineData("""{"stream_options":true}""", "stream_options has a value of the wrong type.")]
    [InlineData("""{"model":5}""", "model must be a string, got 5.")]
    [InlineData("""{"input_ids":[1,null]}""", "input_ids[1] must be an integer, got null.")]
    public void Wrong_types_of_a_chat_are_named(string json, string message) => Assert.Equal(message, ChatError(json));

    [Theory]
    [InlineData("""{"prompt":5}""", "prompt must be a string, a list of strings, a list of token ids or a list of such lists, got 5.")]
    [InlineData("""{"prompt":["a",5]}""", "prompt[1] must be a string, got 5.")]
    [InlineData("""{"prompt":[[1],["a"]]}""", "prompt[1][0] must be an integer, got a string.")]
    public void Wrong_types_of_a_prompt_are_named(string json, string message) => Assert.Equal(message, CompletionError(json));

    [Theory]
    [InlineData("{\"text\":")]
    [InlineData("{\"text\":\"a\",}")]
    [InlineData("{text:1}")]
    [InlineData("{\"text\":\"a\"} x")]
    [InlineData("{\"sampling_params\":{\"n\":1")]
    public void Text_that_is_not_json_says_where(string json)
    {
        string message = GenerateError(json);
        Assert.StartsWith("The request body is not valid JSON: ", message);
        Assert.Contains("(line 1, byte ", message);
    }

    [Fact]
    public void Nesting_beyond_64_levels_is_refused()
    {
        string message = GenerateError("{\"x\":" + new string('[', 100) + new string(']', 100) + "}");
        Assert.StartsWith("The request body is not valid JSON: The maximum configured depth of 64 has been exceeded", message);
    }

    [Fact]
    public void Unknown_fields_are_ignored()
    {
        GenerateRequest request = Generate("""{"text":"a","colour":"blue"}""");
        Assert.Equal("a", request.Text!.Items[0]);
    }

    [Fact]
    public void One_value_and_a_list_differ()
    {
        Assert.False(Generate("""{"text":"a"}""").Text!.IsMany);
        Assert.True(Generate("""{"text":["a"]}""").Text!.IsMany);
        Assert.False(Generate("""{"input_ids":[1,2]}""").InputIds!.IsMany);
        Assert.Equal([1, 2], Generate("""{"input_ids":[1,2]}""").InputIds!.Items[0]);
        Assert.True(Generate("""{"input_ids":[[1,2],[]]}""").InputIds!.IsMany);
        Assert.Equal(2, Generate("""{"input_ids":[[1,2],[]]}""").InputIds!.Items.Count);
        Assert.Empty(Generate("""{"input_ids":[]}""").InputIds!.Items[0]);
    }

    [Fact]
    public void An_integer_may_be_written_with_a_fraction_of_zero()
    {
        Assert.Equal(3, Generate("""{"sampling_params":{"top_k":3.0}}""").SamplingParams!.Items[0].TopK);
    }

    [Theory]
    [InlineData("{\"messages\":\"\\ud83d\\ude00 \\\\ud800 \\\\\\\\ude00\"}", true)]
    [InlineData("{\"messages\":[{\"a\":\"\\ud800\"}]}", false)]
    [InlineData("{\"messages\":[{\"\\udc00\":1}]}", false)]
    [InlineData("{\"messages\":\"\\ud800\\ud800\"}", false)]
    [InlineData("{\"messages\":\"\\\\\\ud800\"}", false)]
    public void Parts_that_stay_json_are_sound_unicode(string json, bool isSound)
    {
        void Parse() => RequestJson.Parse(System.Text.Encoding.UTF8.GetBytes(json), ProtocolJsonContext.Default.ChatCompletionRequest);
        if (isSound) Parse();
        else Assert.Contains("surrogate pair", Assert.Throws<MalformedBodyException>(Parse).Message);
    }

    [Fact]
    public void A_body_that_is_not_utf8_is_malformed() =>
        Assert.Contains("not UTF-8", Assert.Throws<MalformedBodyException>(() => RequestJson.Parse([.. "{\"messages\":\""u8, 0xFF, .. "\"}"u8], ProtocolJsonContext.Default.ChatCompletionRequest)).Message);
}
