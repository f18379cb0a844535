using System.Diagnostics;
using System.Text;
using SgLang.Bench.Load;
using SgLang.Bench.Serving;

namespace SgLang.Bench.Tests.Load;

/// <summary>What is read from a stream, and what is not believed of it. Times are whole milliseconds from the send.</summary>
public class AnswerReaderTests
{
    private static long Ms(double ms) => (long)(ms * Stopwatch.Frequency / 1000);

    private static RequestRecord Read(AnswerShape shape, params (double At, string Line)[] lines)
    {
        RequestRecord record = new(0) { PlannedInput = 7 };
        AnswerReader reader = new(shape, record);
        foreach ((double at, string line) in lines) reader.ReadLine(Encoding.UTF8.GetBytes(line), Ms(at));
        reader.Complete();
        return record;
    }

    private static string Native(string text, int tokens, string finish = "null") =>
        $$$"""data: {"text": "{{{text}}}", "output_ids": [1], "meta_info": {"id": "r", "finish_reason": {{{finish}}}, "prompt_tokens": 5, "completion_tokens": {{{tokens}}}, "cached_tokens": 2}}""";

    private static string Completion(string text, string usage = "null") => $$"""data: {"choices": [{"index": 0, "text": "{{text}}"}], "usage": {{usage}} }""";

    private static string Usage(int tokens) => $$"""{"prompt_tokens": 5, "completion_tokens": {{tokens}} }""";

    private static double[] MsOf(IEnumerable<double> seconds) => [.. seconds.Select(s => Math.Round(s * 1000, 6))];

    private static ServingMetrics Metrics(params RequestRecord[] records) => ServingMetrics.Of(records, false, null);

    [Fact]
    public void Native_tokens_are_counted_from_the_server_s_counts()
    {
        RequestRecord record = Read(AnswerShape.Native, (10, Native("a", 1)), (20, Native("ab", 2)), (30, Native("abc", 3, """{"type": "length", "length": 3}""")), (31, "data: [DONE]"));
        Assert.Null(record.Error);
        Assert.Equal((3, 5, 2, "abc"), (record.OutputTokens!.Value, record.PromptTokens!.Value, record.CachedTokens!.Value, record.Text));
        ServingMetrics m = Metrics(record);
        Assert.Equal([10.0], MsOf([m.Ttft.Mean!.Value]));
        Assert.Equal([31.0], MsOf([m.E2E.Mean!.Value]));
        Assert.Equal((2, 10), (m.Itl.Count, Math.Round(m.Itl.Mean!.Value * 1000, 6)));
        Assert.Equal([10.5], MsOf([m.Tpot.Mean!.Value]));
    }

    [Fact]
    public void Several_tokens_in_a_chunk_share_its_gap()
    {
        RequestRecord record = Read(AnswerShape.Native, (10, Native("a", 1)), (40, Native("abcd", 4)), (40, "data: [DONE]"));
        ServingMetrics m = Metrics(record);
        Assert.Equal((3, 10.0), (m.Itl.Count, Math.Round(m.Itl.Mean!.Value * 1000, 6)));
        Assert.Equal((1, 30.0), (m.ChunkGap.Count, Math.Round(m.ChunkGap.Mean!.Value * 1000, 6)));
    }

    [Fact]
    public void A_token_over_several_chunks_is_one()
    {
        RequestRecord record = Read(AnswerShape.Native, (10, Native("a", 1)), (15, Native("ab", 1)), (30, Native("abc", 2)), (30, "data: [DONE]"));
        ServingMetrics m = Metrics(record);
        Assert.Equal((1, 20.0), (m.Itl.Count, Math.Round(m.Itl.Mean!.Value * 1000, 6)));
        Assert.Equal(2, m.OutputTokens);
    }

    [Fact]
    public void A_token_without_text_is_a_token_and_an_empty_first_chunk_is_not()
    {
        RequestRecord silent = Read(AnswerShape.Native, (5, Native("", 0)), (10, Native("", 1)), (20, Native("x", 2)), (20, "data: [DONE]"));
        Assert.Equal([10.0], MsOf([Metrics(silent).Ttft.Mean!.Value]));
        RequestRecord empty = Read(AnswerShape.Completion, (5, Completion("")), (12, Completion("x")), (13, "data: [DONE]"));
        Assert.Equal([12.0], MsOf([Metrics(empty).Ttft.Mean!.Value]));
    }

    [Fact]
    public void Comments_blank_lines_and_event_names_are_nothing()
    {
        RequestRecord record = Read(AnswerShape.Native, (1, ": keep-alive"), (2, ""), (3, "event: message"), (10, Native("a", 1)), (90, ": keep-alive"), (20, "data: [DONE]"));
        Assert.Equal(Ms(20), record.Ended);
        Assert.Single(record.Arrivals);
    }

    [Fact]
    public void A_usage_only_last_chunk_is_the_count_and_no_token()
    {
        RequestRecord record = Read(AnswerShape.Completion, (10, Completion("a")), (20, Completion("b")),
            (25, $$"""data: {"choices": [], "usage": {{Usage(2)}} }"""), (26, "data: [DONE]"));
        ServingMetrics m = Metrics(record);
        Assert.Equal((2, 2), (m.OutputTokens, record.Arrivals.Count));
        // As many tokens as chunks: one each, so the gap is a token's.
        Assert.Equal((1, 10.0), (m.Itl.Count, Math.Round(m.Itl.Mean!.Value * 1000, 6)));
    }

    [Fact]
    public void Chunks_that_nobody_counted_give_no_inter_token_latency()
    {
        RequestRecord record = Read(AnswerShape.Completion, (10, Completion("a b c")), (40, Completion("d e f")),
            (41, $$"""data: {"choices": [], "usage": {{Usage(6)}} }"""), (42, "data: [DONE]"));
        ServingMetrics m = Metrics(record);
        Assert.Equal((6, 0, 1), (m.OutputTokens, m.Itl.Count, m.ChunkGap.Count));
        Assert.Null(m.Itl.Mean);
    }

    [Fact]
    public void Usage_in_every_chunk_counts_its_tokens()
    {
        RequestRecord record = Read(AnswerShape.Completion, (10, Completion("a", Usage(1))), (40, Completion("bcd", Usage(4))),
            (41, $$"""data: {"choices": [], "usage": {{Usage(4)}} }"""), (42, "data: [DONE]"));
        ServingMetrics m = Metrics(record);
        Assert.Equal((3, 10.0), (m.Itl.Count, Math.Round(m.Itl.Mean!.Value * 1000, 6)));
    }

    [Fact]
    public void The_role_chunk_of_a_chat_is_not_its_first_token_and_reasoning_is()
    {
        RequestRecord record = Read(AnswerShape.Chat,
            (5, """data: {"choices": [{"delta": {"role": "assistant", "content": ""}}], "usage": null}"""),
            (12, """data: {"choices": [{"delta": {"reasoning_content": "hm"}}]}"""),
            (20, """data: {"choices": [{"delta": {"content": "yes"}}]}"""),
            (21, """data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}"""),
            (22, $$"""data: {"choices": [], "usage": {{Usage(2)}} }"""), (22, "data: [DONE]"));
        ServingMetrics m = Metrics(record);
        Assert.Equal([12.0], MsOf([m.Ttft.Mean!.Value]));
        Assert.Equal("hmyes", record.Text);
        Assert.Equal(1, m.Itl.Count);
    }

    [Fact]
    public void An_early_stop_counts_what_came_and_not_what_was_asked_for()
    {
        RequestRecord record = Read(AnswerShape.Native, (10, Native("a", 1, """{"type": "stop", "matched": 2}""")), (11, "data: [DONE]"));
        Assert.Equal(1, Metrics(record).OutputTokens);
        Assert.Equal(0, Metrics(record).Tpot.Count);
    }

    [Fact]
    public void Without_any_count_the_text_is_tokenized_and_the_answer_is_marked()
    {
        RequestRecord record = Read(AnswerShape.Completion, (10, Completion("one two")), (20, Completion(" three")), (21, "data: [DONE]"));
        ServingMetrics m = ServingMetrics.Of([record], false, text => text.Split(' ').Length);
        Assert.Equal((3, 1), (m.OutputTokens, m.GuessedLengths));
    }

    [Theory]
    [InlineData("""data: {"error": {"message": "boom"}}""", "boom")]
    [InlineData("data: {not json", "the answer is not that of Native")]
    [InlineData("""data: {"text": "x"}""", "the answer is not that of Native")]
    [InlineData("""data: {"text": "", "meta_info": {"finish_reason": {"type": "abort", "message": "queue full"}, "completion_tokens": 0}}""", "queue full")]
    public void A_bad_event_is_a_failure_with_its_reason(string line, string reason)
    {
        RequestRecord record = Read(AnswerShape.Native, (10, line), (11, "data: [DONE]"));
        Assert.Contains(reason, record.Error);
        ServingMetrics m = Metrics(record);
        Assert.Equal((0, 1), (m.Completed, m.Failures.Values.Sum()));
        Assert.Null(m.E2E.Mean);
    }

    [Fact]
    public void An_incremental_stream_s_parts_are_joined()
    {
        RequestRecord record = Read(AnswerShape.Native, (10, Native("ab", 1)), (20, Native("c", 2)), (30, Native("c", 3)), (40, Native("\\u00e9\\n", 4)), (41, "data: [DONE]"));
        Assert.Equal("abccé\n", record.Text);
    }

    [Fact]
    public void Triton_s_text_is_cumulative_and_its_tokens_are_uncounted()
    {
        RequestRecord record = Read(AnswerShape.Triton, (10, """data: {"model_name": "ensemble", "text_output": "a"}"""), (20, """data: {"text_output": "a b"}"""));
        Assert.Equal(("a b", 2, false), (record.Text, record.Arrivals.Count, record.IsCountedByChunk));
        Assert.Equal(1, ServingMetrics.Of([record], false, _ => 2).Itl.Count);
    }

    [Fact]
    public void An_embedding_has_no_tokens_and_is_no_failure()
    {
        RequestRecord record = new(0);
        AnswerReader reader = new(AnswerShape.Embedding, record);
        reader.ReadBody("""{"data": [{"embedding": [0.1]}], "usage": {"prompt_tokens": 7}}"""u8, Ms(5));
        reader.Complete();
        Assert.Equal((null, 7, 0), (record.Error, record.PromptTokens, record.OutputTokens));
    }

    [Fact]
    public void Where_cached_tokens_were_is_kept()
    {
        RequestRecord record = Read(AnswerShape.Native,
            (10, """data: {"text": "a", "meta_info": {"completion_tokens": 1, "cached_tokens": 5, "cached_tokens_details": {"device": 3, "host": 2}}}"""), (11, "data: [DONE]"));
        Assert.Equal((3L, 2L), (record.CachedDetails!["device"], record.CachedDetails["host"]));
    }

    [Fact]
    public void An_answer_is_read_without_allocating()
    {
        RequestRecord record = new(0, expectedTokens: 2000);
        AnswerReader reader = new(AnswerShape.Native, record);
        byte[][] lines = [.. Enumerable.Range(1, 2000).Select(i => Encoding.UTF8.GetBytes(Native(new string('x', Math.Min(i, 900)), i)))];
        for (int i = 0; i < 1000; i++) reader.ReadLine(lines[i], i);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 1000; i < 2000; i++) reader.ReadLine(lines[i], i);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(2000, record.Arrivals.Count);
    }
}
