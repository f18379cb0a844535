using SgLang.Core;

namespace SgLang.Core.Tests;

public sealed class SamplingParamsTests
{
    private const int Vocabulary = 100;

    public static TheoryData<SamplingParams, string> OutOfRange => new()
    {
        { new() { MaxNewTokens = -1 }, "max_new_tokens must be at least 0, got -1." },
        { new() { MinNewTokens = -1 }, "min_new_tokens must be in [0, max_new_tokens(128)], got -1." },
        { new() { MinNewTokens = 9, MaxNewTokens = 8 }, "min_new_tokens must be in [0, max_new_tokens(8)], got 9." },
        { new() { Temperature = -0.5 }, "temperature must be a non-negative finite number, got -0.5." },
        { new() { Temperature = double.PositiveInfinity }, "temperature must be a non-negative finite number, got Infinity." },
        { new() { Temperature = double.NaN }, "temperature must be a non-negative finite number, got NaN." },
        { new() { TopP = 0 }, "top_p must be in (0, 1], got 0." },
        { new() { TopP = 1.5 }, "top_p must be in (0, 1], got 1.5." },
        { new() { TopP = double.NaN }, "top_p must be in (0, 1], got NaN." },
        { new() { TopK = 0 }, "top_k must be -1 (disable) or at least 1, got 0." },
        { new() { TopK = -2 }, "top_k must be -1 (disable) or at least 1, got -2." },
        { new() { MinP = 1.01 }, "min_p must be in [0, 1], got 1.01." },
        { new() { FrequencyPenalty = 2.5 }, "frequency_penalty must be in [-2, 2], got 2.5." },
        { new() { PresencePenalty = -2.5 }, "presence_penalty must be in [-2, 2], got -2.5." },
        { new() { RepetitionPenalty = 0 }, "repetition_penalty must be in (0, 2] (1.0 = no penalty), got 0." },
        { new() { N = 0 }, "n must be at least 1, got 0." },
        { new() { StopTokenIds = [5, 100] }, "stop_token_ids must be in [0, 99], got 100." },
        { new() { LogitBias = new Dictionary<int, float> { [100] = 1 } }, "logit_bias must has keys in [0, 99], got 100." },
    };

    [Theory]
    [MemberData(nameof(OutOfRange))]
    public void A_value_out_of_range_is_named_with_what_is_allowed(SamplingParams parameters, string message) =>
        Assert.Equal(message, parameters.Validate(Vocabulary));

    [Fact]
    public void Defaults_and_bounds_are_valid()
    {
        Assert.Null(new SamplingParams().Validate(Vocabulary));
        Assert.Null(new SamplingParams { MaxNewTokens = 0, TopP = 1, TopK = 1, MinP = 1, FrequencyPenalty = 2, PresencePenalty = -2, RepetitionPenalty = 2 }
            .Validate(Vocabulary));
        Assert.Null(new SamplingParams { MaxNewTokens = null, MinNewTokens = 5000, Temperature = 0 }.Validate(Vocabulary));
    }

    [Theory]
    [InlineData(0, -1, true)]
    [InlineData(9e-7, -1, true)]
    [InlineData(1e-6, -1, false)]
    [InlineData(1.0, 1, true)]
    [InlineData(1.0, 2, false)]
    public void Tiny_temperature_or_a_single_candidate_means_greedy(double temperature, int topK, bool expected) =>
        Assert.Equal(expected, new SamplingParams { Temperature = temperature, TopK = topK }.IsGreedy);
}
