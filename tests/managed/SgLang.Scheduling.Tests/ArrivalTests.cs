using SgLang.Core;

namespace SgLang.Scheduling.Tests;

public sealed class ArrivalTests
{
    [Theory]
    [InlineData(null, 200, 100, 98)] // context: 199 - 100 - 1; pool: 256 - 112 - 16 - 1 = 127
    [InlineData(50, 200, 100, 50)]
    [InlineData(500, 10_000, 100, 127)]
    [InlineData(500, 10_000, 240, 0)]
    public void Max_new_tokens_is_clamped_to_context_and_pool(int? requested, int context, int input, int expected)
    {
        Assert.Equal(expected, Arrival.ClampMaxNewTokens(requested, input, Harness.Options(16, 16, context: context)));
    }

    [Theory]
    [InlineData(null, 40)]
    [InlineData(500, 40)]
    [InlineData(39, 39)]
    public void No_request_generates_more_than_the_limit(int? requested, int expected) =>
        Assert.Equal(expected, Arrival.ClampMaxNewTokens(requested, 100, Harness.Options(16, 16, context: 200) with { MaxNewTokensLimit = 40 }));

    [Fact]
    public void A_request_that_asks_for_more_than_the_limit_ends_there_by_its_length()
    {
        var harness = new Harness(Harness.Options() with { MaxNewTokensLimit = 5 });
        Request request = harness.Add("r", Harness.Prompt(20), maxNew: 30, minNew: 25);
        harness.Drain();
        Assert.Equal(5, harness.Streams[request].Count);
        Assert.Equal(FinishReason.Length, harness.Finishes[request]);
    }

    [Fact]
    public void Min_new_tokens_is_lowered_to_the_clamped_maximum()
    {
        var harness = new Harness(Harness.Options(numPages: 40));
        Request request = harness.Add("r", Harness.Prompt(20), maxNew: 30, minNew: 25);
        Assert.Equal(18, request.MaxNewTokens); // 40 - 20 - 1 - 1
        Assert.Equal(18, request.MinNewTokens);
    }

    [Fact]
    public void A_prompt_must_be_shorter_than_the_limit()
    {
        var scheduler = new Scheduler(Harness.Options(numPages: 1000, context: 100));
        Assert.Equal(94, scheduler.Options.MaxRequestInputLength);
        Assert.True(scheduler.TryEnqueue(Harness.Make("fits", Harness.Prompt(93)), out _));
        Assert.False(scheduler.TryEnqueue(Harness.Make("long", Harness.Prompt(94)), out FinishReason refusal));
        Assert.Equal(400, refusal.StatusCode);
        Assert.StartsWith("Input length (94 tokens) exceeds the maximum allowed length (94 tokens).", refusal.Text);
    }

    [Fact]
    public void Refusals_leave_no_trace()
    {
        var scheduler = new Scheduler(Harness.Options() with { MaxQueuedRequests = 1 });
        Assert.False(scheduler.TryEnqueue(Harness.Make("empty", []), out FinishReason empty));
        Assert.False(scheduler.TryEnqueue(Harness.Make("logprob", [1, 2], logprobs: new LogprobOptions { StartLength = 3 }), out FinishReason logprob));
        Assert.True(scheduler.TryEnqueue(Harness.Make("first", [1]), out _));
        Assert.False(scheduler.TryEnqueue(Harness.Make("second", [1]), out FinishReason full));
        Assert.Equal((400, 400, 503), (empty.StatusCode, logprob.StatusCode, full.StatusCode));
        Assert.Equal("The request queue is full.", full.Text);
        Assert.Contains("[-1, 2]", logprob.Text);
        Assert.Equal(1, scheduler.Stats.NumAccepted);
        Assert.Equal(0, scheduler.Events.Length);
    }
}
