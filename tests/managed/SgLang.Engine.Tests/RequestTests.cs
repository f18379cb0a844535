using SgLang.Core;

namespace SgLang.Engine.Tests;

public sealed class RequestTests(DemoEngine fixture) : IClassFixture<DemoEngine>
{
    private static int s_rid;

    private InferenceEngine Engine => fixture.Engine;

    [Fact]
    public async Task A_stop_string_cuts_the_text_and_ends_the_request()
    {
        string whole = (await Run("In the beginning", new SamplingParams { Temperature = 0, MaxNewTokens = 40, IgnoreEos = true })).Text;
        string stop = whole.Substring(whole.Length / 2, 3);
        Collected cut = await Run("In the beginning", new SamplingParams { Temperature = 0, MaxNewTokens = 40, IgnoreEos = true, Stop = [stop] });
        Assert.Equal(FinishReason.StopString(stop), cut.Finish);
        Assert.Equal(whole[..whole.IndexOf(stop, StringComparison.Ordinal)], cut.Text);
        Assert.True(cut.Ids.Count < 40);
        Collected kept = await Run("In the beginning",
            new SamplingParams { Temperature = 0, MaxNewTokens = 40, IgnoreEos = true, Stop = [stop], NoStopTrim = true });
        Assert.StartsWith(whole[..(whole.IndexOf(stop, StringComparison.Ordinal) + stop.Length)], kept.Text);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_stop_pattern_cuts_the_text_and_ends_the_request_streamed_or_not(bool isStreaming)
    {
        SamplingParams endless = new() { Temperature = 0, MaxNewTokens = 60, IgnoreEos = true };
        string whole = (await Run("In the beginning", endless)).Text;
        const string Pattern = @"\s[a-z]{4,}\s";
        System.Text.RegularExpressions.Match match = System.Text.RegularExpressions.Regex.Match(whole, Pattern);
        Assert.True(match.Success, whole);
        SamplingParams stopping = endless with { StopRegex = [Pattern, "not to be found"] };
        Collected cut = await Collected.ReadAsync(Engine.Submit(Request("In the beginning", stopping) with { IsStreaming = isStreaming }));
        Assert.Equal(FinishReason.StopString(Pattern), cut.Finish);
        Assert.Equal(whole[..match.Index], cut.Text);
        Assert.True(cut.Ids.Count < 60);
        Collected kept = await Run("In the beginning", stopping with { NoStopTrim = true });
        Assert.Equal(whole[..(match.Index + match.Length)], kept.Text);
    }

    [Fact]
    public async Task A_stop_pattern_that_cannot_be_searched_for_is_refused_and_leaves_nothing_behind()
    {
        RequestRejectedException refused = Assert.Throws<RequestRejectedException>(() => Engine.Submit(Request("And then", new SamplingParams { StopRegex = ["(a"] }) with { Rid = "bad-pattern" }));
        Assert.Equal((400, "stop_regex '(a': at character 1: the group has no end."), (refused.StatusCode, refused.Message));
        Assert.Null(Engine.FindRequest("bad-pattern"));
        Assert.Single((await Collected.ReadAsync(Engine.Submit(Request("And then", new SamplingParams { MaxNewTokens = 1 }) with { Rid = "bad-pattern" }))).Ids);
    }

    [Theory]
    [InlineData(1e-320, 1.0, 1.0)]
    [InlineData(1.0, 1e300, 1.0)]
    [InlineData(1.0, 1.0, 1e-320)]
    public async Task Parameters_beyond_a_float_harm_no_request_of_their_step(double topP, double temperature, double repetitionPenalty)
    {
        SamplingParams calm = new() { Temperature = 0, MaxNewTokens = 12, IgnoreEos = true };
        Collected alone = await Run("In the beginning", calm);
        Task<Collected> beside = Run("In the beginning", calm);
        Collected extreme = await Run("And then", new SamplingParams
        {
            Temperature = temperature, TopP = topP, RepetitionPenalty = repetitionPenalty, MaxNewTokens = 12, IgnoreEos = true,
        });
        Assert.Equal(FinishReason.Length, extreme.Finish);
        Assert.Equal(alone.Ids, (await beside).Ids);
    }

    [Fact]
    public async Task A_stop_token_ends_the_output_and_is_not_part_of_the_text()
    {
        Collected whole = await Run("In the beginning", new SamplingParams { Temperature = 0, MaxNewTokens = 20, IgnoreEos = true });
        int stop = whole.Ids[10];
        int expected = whole.Ids.IndexOf(stop);
        Collected cut = await Run("In the beginning", new SamplingParams { Temperature = 0, MaxNewTokens = 20, StopTokenIds = [stop] });
        Assert.Equal(FinishReason.StopToken(stop), cut.Finish);
        Assert.Equal(whole.Ids.Take(expected + 1), cut.Ids);
        Assert.Equal(Engine.Tokenizer!.Decode([.. whole.Ids.Take(expected)], skipSpecialTokens: true), cut.Text);
    }

    [Fact]
    public async Task Length_wins_over_a_stop_token_on_the_same_token()
    {
        Collected whole = await Run("In the beginning", new SamplingParams { Temperature = 0, MaxNewTokens = 3, IgnoreEos = true });
        int third = whole.Ids[2];
        Assert.DoesNotContain(third, whole.Ids.Take(2));
        Collected cut = await Run("In the beginning", new SamplingParams { Temperature = 0, MaxNewTokens = 3, StopTokenIds = [third] });
        Assert.Equal(FinishReason.Length, cut.Finish);
    }

    [Fact]
    public async Task No_stop_token_appears_before_min_new_tokens()
    {
        int first = (await Run("In the beginning", new SamplingParams { Temperature = 0, MaxNewTokens = 1, IgnoreEos = true })).Ids[0];
        Collected delayed = await Run("In the beginning", new SamplingParams { Temperature = 0, MaxNewTokens = 12, MinNewTokens = 6, StopTokenIds = [first] });
        Assert.True(delayed.Ids.Count >= 6);
        Assert.DoesNotContain(first, delayed.Ids.Take(6));
    }

    [Fact]
    public async Task A_bias_of_plus_infinity_decides_and_minus_infinity_forbids()
    {
        Collected plain = await Run("In the beginning", new SamplingParams { Temperature = 0, MaxNewTokens = 1 });
        Collected forced = await Run("In the beginning",
            new SamplingParams { Temperature = 0, MaxNewTokens = 4, IgnoreEos = true, LogitBias = new Dictionary<int, float> { [77] = 1000 } });
        Assert.Equal([77, 77, 77, 77], forced.Ids);
        Collected forbidden = await Run("In the beginning",
            new SamplingParams { Temperature = 0, MaxNewTokens = 1, LogitBias = new Dictionary<int, float> { [plain.Ids[0]] = float.NegativeInfinity } });
        Assert.NotEqual(plain.Ids[0], forbidden.Ids[0]);
    }

    [Fact]
    public async Task Penalties_count_the_output_only_and_every_token_of_it()
    {
        // With the largest presence penalty on a biased token, the bias must be beaten exactly when the token has appeared.
        Dictionary<int, float> bias = new() { [77] = 1000, [78] = 999 };
        Collected result = await Run("In the beginning",
            new SamplingParams { Temperature = 0, MaxNewTokens = 4, IgnoreEos = true, LogitBias = bias, PresencePenalty = 2 });
        Assert.Equal(77, result.Ids[0]);
        Assert.Equal(78, result.Ids[1]);
        Collected frequency = await Run("In the beginning",
            new SamplingParams { Temperature = 0, MaxNewTokens = 6, IgnoreEos = true, LogitBias = bias, FrequencyPenalty = 0.75 });
        Assert.Contains(78, frequency.Ids);
        Assert.Equal(77, frequency.Ids[0]);
    }

    [Fact]
    public async Task A_seed_reproduces_the_draw_whatever_else_runs()
    {
        SamplingParams seeded = new() { Temperature = 1.2, TopP = 0.95, Seed = 1234, MaxNewTokens = 24, IgnoreEos = true };
        Collected alone = await Run("And God said", seeded);
        Task<Collected>[] crowd = [.. Enumerable.Range(0, 12).Select(i => Run(i % 3 == 0 ? "And God said" : $"Call me {i}", i % 3 == 0 ? seeded : seeded with { Seed = null }))];
        Collected[] results = await Task.WhenAll(crowd);
        for (int i = 0; i < results.Length; i += 3) Assert.Equal(alone.Ids, results[i].Ids);
        Assert.NotEqual(results[1].Ids, results[4].Ids);
    }

    /// <summary>Penalties, biases and min_new_tokens depend on the request's own output alone.</summary>
    [Fact]
    public async Task A_seed_reproduces_the_draw_with_every_parameter_that_changes_logits_whatever_else_runs()
    {
        SamplingParams[] kinds =
        [
            new() { FrequencyPenalty = 1.5 }, new() { PresencePenalty = -1.5 }, new() { RepetitionPenalty = 1.7 },
            new() { LogitBias = new Dictionary<int, float> { [77] = 9, [5] = -100 } }, new() { MinNewTokens = 20, StopTokenIds = [77], LogitBias = new Dictionary<int, float> { [77] = 9 } },
            new() { FrequencyPenalty = 0.5, PresencePenalty = 0.7, RepetitionPenalty = 0.8, TopK = 50, TopP = 0.9, MinP = 0.01, LogitBias = new Dictionary<int, float> { [77] = 9 } },
        ];
        SamplingParams[] seeded = [.. kinds.Select((kind, i) => kind with { Temperature = 1.1, Seed = 40 + i, MaxNewTokens = 24, IgnoreEos = kind.MinNewTokens == 0 })];
        List<Collected> alone = [];
        foreach (SamplingParams sampling in seeded) alone.Add(await Run("And God said", sampling));
        Task<Collected>[] crowd = [.. Enumerable.Range(0, 3 * seeded.Length).Select(i =>
            Run(i < 2 * seeded.Length ? "And God said" : $"Call me {i}", i < 2 * seeded.Length ? seeded[i % seeded.Length] : kinds[i % kinds.Length] with { MaxNewTokens = 30 }))];
        Collected[] results = await Task.WhenAll(crowd);
        for (int i = 0; i < 2 * seeded.Length; i++) Assert.Equal(alone[i % seeded.Length].Ids, results[i].Ids);
    }

    [Fact]
    public async Task Streaming_brings_the_same_text_in_pieces()
    {
        SamplingParams sampling = new() { Temperature = 0, MaxNewTokens = 33, IgnoreEos = true };
        Collected whole = await Run("Call me Ishmael.", sampling);
        Collected streamed = await Collected.ReadAsync(Engine.Submit(Request("Call me Ishmael.", sampling) with { IsStreaming = true }));
        Collected coarse = await Collected.ReadAsync(Engine.Submit(Request("Call me Ishmael.", sampling) with { IsStreaming = true, StreamInterval = 8 }));
        Assert.Equal(1, whole.NumChunks);
        Assert.True(streamed.NumChunks > 1);
        Assert.True(coarse.NumChunks <= 6);
        Assert.Equal(whole.Text, streamed.Text);
        Assert.Equal(whole.Ids, streamed.Ids);
        Assert.Equal(whole.Text, coarse.Text);
        Assert.Equal(whole.Ids, coarse.Ids);
    }

    [Fact]
    public async Task Zero_new_tokens_run_the_prompt_and_bring_nothing()
    {
        Collected none = await Run("In the beginning", new SamplingParams { MaxNewTokens = 0 });
        Assert.Empty(none.Ids);
        Assert.Equal("", none.Text);
        Assert.Equal(FinishReason.Length, none.Finish);
    }

    [Fact]
    public async Task An_abort_by_prefix_ends_those_requests_and_no_others()
    {
        SamplingParams endless = new() { Temperature = 0, MaxNewTokens = 1500, IgnoreEos = true };
        Generation one = Engine.Submit(Request("In the beginning", endless) with { Rid = "abort-me-1", IsStreaming = true });
        Generation two = Engine.Submit(Request("In the beginning", endless with { MaxNewTokens = 30 }) with { Rid = "keep-me" });
        Assert.NotNull(await one.ReadAsync());
        Engine.Abort("abort-");
        Collected aborted = await Collected.ReadAsync(one);
        Collected kept = await Collected.ReadAsync(two);
        Assert.Equal(FinishKind.Abort, aborted.Finish.Kind);
        Assert.Equal(0, aborted.Finish.StatusCode);
        Assert.Equal(30, kept.Ids.Count);
    }

    [Fact]
    public async Task Disposing_a_generation_frees_its_pages()
    {
        await Engine.FlushCacheAsync(TimeSpan.FromSeconds(30));
        Generation generation = Engine.Submit(Request("In the beginning", new SamplingParams { MaxNewTokens = 1500, IgnoreEos = true }) with { IsStreaming = true });
        Assert.NotNull(await generation.ReadAsync());
        await generation.DisposeAsync();
        await Eventually.Is(() => Engine.Stats is { NumRunning: 0, UsedTokens: 0 });
    }

    [Fact]
    public async Task Cancelling_a_read_aborts_the_request()
    {
        using CancellationTokenSource cancel = new();
        Generation generation = Engine.Submit(Request("In the beginning", new SamplingParams { MaxNewTokens = 1500, IgnoreEos = true }));
        ValueTask<GenerationChunk?> read = generation.ReadAsync(cancel.Token);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await read);
        await Eventually.Is(() => Engine.Stats.NumRunning == 0);
    }

    [Fact]
    public async Task A_rid_in_use_is_refused_and_free_again_afterwards()
    {
        GenerationRequest request = Request("In the beginning", new SamplingParams { MaxNewTokens = 200, IgnoreEos = true }) with { Rid = "twice" };
        Generation first = Engine.Submit(request);
        RequestRejectedException refused = Assert.Throws<RequestRejectedException>(() => Engine.Submit(request));
        Assert.Equal(400, refused.StatusCode);
        Assert.Contains("twice", refused.Message);
        await first.DisposeAsync();
        Generation? again = null;
        await Eventually.Is(() =>
        {
            try
            {
                again = Engine.Submit(request with { Sampling = request.Sampling with { MaxNewTokens = 1 } });
                return true;
            }
            catch (RequestRejectedException)
            {
                return false;
            }
        });
        Assert.Single((await Collected.ReadAsync(again!)).Ids);
    }

    public static TheoryData<int[], SamplingParams, string> Refused => new()
    {
        { [], new(), "input_ids cannot be empty." },
        { [4096], new(), "input_ids must be in [0, 4095], got 4096." },
        { [-1], new(), "input_ids must be in [0, 4095], got -1." },
        { [1], new() { TopP = 2 }, "top_p must be in (0, 1], got 2." },
        { new int[2048], new(), "The input (2048 tokens) is longer than the model's context length (2048 tokens)." },
        { new int[2045], new() { MaxNewTokens = 1 }, "Input length (2045 tokens) exceeds the maximum allowed length (2042 tokens)." },
        { new int[2000], new() { MaxNewTokens = 100 }, "You requested a total of 2100 tokens: 2000 tokens from the input messages and 100 tokens for the completion." },
    };

    [Theory]
    [MemberData(nameof(Refused), DisableDiscoveryEnumeration = true)]
    public void A_bad_request_is_refused_with_its_reason(int[] ids, SamplingParams sampling, string message)
    {
        RequestRejectedException refused = Assert.Throws<RequestRejectedException>(() =>
            Engine.Submit(new GenerationRequest { Rid = "bad", InputIds = ids, Sampling = sampling }));
        Assert.Equal(400, refused.StatusCode);
        Assert.Contains(message, refused.Message);
    }

    private async Task<Collected> Run(string prompt, SamplingParams sampling) => await Collected.ReadAsync(Engine.Submit(Request(prompt, sampling)));

    private GenerationRequest Request(string prompt, SamplingParams sampling) => new()
    {
        Rid = $"t{Interlocked.Increment(ref s_rid)}",
        InputIds = Engine.Tokenizer!.Encode(prompt, addSpecialTokens: true),
        Sampling = sampling,
    };
}
