using System.Text;
using SgLang.Core;
using SgLang.Protocol.Json;

namespace SgLang.Protocol.Tests.Native;

public class SamplingParamsBodyTests
{
    private const int Vocabulary = 100;

    private static SamplingParamsBody Parse(string json) => RequestJson.Parse(Encoding.UTF8.GetBytes(json), ProtocolJsonContext.Default.SamplingParamsBody);

    [Fact]
    public void Absent_fields_take_the_defaults_of_the_native_api()
    {
        SamplingParams sampling = Parse("{}").ToSamplingParams(Vocabulary);
        Assert.Equivalent(new SamplingParams(), sampling, strict: true);
        Assert.Equal(128, sampling.MaxNewTokens);
    }

    [Fact]
    public void Null_means_the_default_but_for_max_new_tokens_where_it_means_all_that_fits()
    {
        SamplingParams sampling = Parse("""{"max_new_tokens":null,"temperature":null,"top_k":null,"stop":null,"n":null,"logit_bias":null}""").ToSamplingParams(Vocabulary);
        Assert.Null(sampling.MaxNewTokens);
        Assert.Equivalent(new SamplingParams { MaxNewTokens = null }, sampling, strict: true);
    }

    [Fact]
    public void Every_field_reaches_the_engine()
    {
        SamplingParams sampling = Parse("""
            {"max_new_tokens":7,"min_new_tokens":2,"temperature":0.5,"top_p":0.9,"top_k":40,"min_p":0.1,"frequency_penalty":0.2,"presence_penalty":-0.3,
             "repetition_penalty":1.1,"stop":["x","","yz"],"stop_regex":"a+b","stop_token_ids":[5,6],"ignore_eos":true,"skip_special_tokens":false,
             "spaces_between_special_tokens":false,"no_stop_trim":true,"n":3,"logit_bias":{"5":-100},"sampling_seed":42}
            """).ToSamplingParams(Vocabulary);
        Assert.Equivalent(new SamplingParams
        {
            MaxNewTokens = 7,
            MinNewTokens = 2,
            Temperature = 0.5,
            TopP = 0.9,
            TopK = 40,
            MinP = 0.1,
            FrequencyPenalty = 0.2,
            PresencePenalty = -0.3,
            RepetitionPenalty = 1.1,
            Stop = ["x", "yz"],
            StopRegex = ["a+b"],
            StopTokenIds = [5, 6],
            IgnoreEos = true,
            SkipSpecialTokens = false,
            SpacesBetweenSpecialTokens = false,
            NoStopTrim = true,
            N = 3,
            LogitBias = new Dictionary<int, float> { [5] = -100 },
            Seed = 42,
        }, sampling, strict: true);
    }

    [Theory]
    [InlineData("""{"regex":"a","json_schema":"{}"}""", "Only one of regex, json_schema, or ebnf can be set.")]
    [InlineData("""{"structural_tag":7}""", "structural_tag must be a structural tag: an object, or its text, got 7.")]
    [InlineData("""{"structural_tag":"{}","regex":"a"}""", "Only one of regex, json_schema, ebnf, or structural_tag can be set.")]
    [InlineData("""{"custom_params":{}}""", "custom_params is not supported by this server; remove it from the request.")]
    [InlineData("""{"logit_bias":{"a":1}}""", "logit_bias must has keys in [0, 99], got a.")]
    [InlineData("""{"stream_interval":0}""", "stream_interval must be at least 1, got 0.")]
    public void What_cannot_be_honoured_is_refused(string json, string message)
    {
        var error = Assert.Throws<InvalidRequestException>(() => Parse(json).ToSamplingParams(Vocabulary));
        Assert.Equal(message, error.Message);
    }

    [Fact]
    public void A_name_that_is_no_parameter_is_refused_with_those_that_are()
    {
        var error = Assert.Throws<InvalidRequestException>(() => Parse("""{"temperature":0,"max_tokens":5}""").ToSamplingParams(Vocabulary));
        Assert.StartsWith("sampling_params has no 'max_tokens'; it may have max_new_tokens, min_new_tokens, temperature, ", error.Message);
        Assert.EndsWith(", custom_params.", error.Message);
    }

    [Theory]
    [InlineData("""{"max_new_tokens":-1}""", "max_new_tokens must be at least 0, got -1.")]
    [InlineData("""{"min_new_tokens":-1}""", "min_new_tokens must be in [0, max_new_tokens(128)], got -1.")]
    [InlineData("""{"min_new_tokens":9,"max_new_tokens":8}""", "min_new_tokens must be in [0, max_new_tokens(8)], got 9.")]
    [InlineData("""{"temperature":-0.5}""", "temperature must be a non-negative finite number, got -0.5.")]
    [InlineData("""{"temperature":1e999}""", "temperature must be a non-negative finite number, got Infinity.")]
    [InlineData("""{"top_p":0}""", "top_p must be in (0, 1], got 0.")]
    [InlineData("""{"top_p":1.5}""", "top_p must be in (0, 1], got 1.5.")]
    [InlineData("""{"top_k":0}""", "top_k must be -1 (disable) or at least 1, got 0.")]
    [InlineData("""{"top_k":-2}""", "top_k must be -1 (disable) or at least 1, got -2.")]
    [InlineData("""{"min_p":-0.1}""", "min_p must be in [0, 1], got -0.1.")]
    [InlineData("""{"min_p":1.1}""", "min_p must be in [0, 1], got 1.1.")]
    [InlineData("""{"frequency_penalty":2.5}""", "frequency_penalty must be in [-2, 2], got 2.5.")]
    [InlineData("""{"presence_penalty":-2.5}""", "presence_penalty must be in [-2, 2], got -2.5.")]
    [InlineData("""{"repetition_penalty":0}""", "repetition_penalty must be in (0, 2] (1.0 = no penalty), got 0.")]
    [InlineData("""{"repetition_penalty":2.1}""", "repetition_penalty must be in (0, 2] (1.0 = no penalty), got 2.1.")]
    [InlineData("""{"n":0}""", "n must be at least 1, got 0.")]
    [InlineData("""{"stop_token_ids":[100]}""", "stop_token_ids must be in [0, 99], got 100.")]
    [InlineData("""{"logit_bias":{"100":1}}""", "logit_bias must has keys in [0, 99], got 100.")]
    [InlineData("""{"logit_bias":{"-1":1}}""", "logit_bias must has keys in [0, 99], got -1.")]
    public void Values_out_of_range_give_the_message_of_the_specification(string json, string message)
    {
        Assert.Equal(message, Parse(json).ToSamplingParams(Vocabulary).Validate(Vocabulary));
    }
}
