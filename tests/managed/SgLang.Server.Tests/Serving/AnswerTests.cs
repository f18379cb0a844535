using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using SgLang.Core;
using SgLang.Engine;
using SgLang.Protocol;
using SgLang.Protocol.Json;
using SgLang.Protocol.Sse;
using SgLang.Server.Serving;

namespace SgLang.Server.Tests.Serving;

public class AnswerTests
{
    private static readonly GenerationProgress s_progress = new(3, 2, 1, 0, 0.5);

    private static GenerationChunk Chunk(string text, params int[] ids) => new()
    {
        Text = text,
        TokenIds = ids,
        Logprobs = [.. ids.Select(id => new TokenLogprob(-id / 10f, id))],
        TopLogprobs = [.. ids.Select(id => (IReadOnlyList<TokenLogprob>)[new TokenLogprob(-id / 10f, id), new TokenLogprob(-9, 8)])],
    };

    private static GenerationChunk Last(string text, FinishReason finish, params int[] ids)
    {
        GenerationChunk chunk = Chunk(text, ids);
        return new GenerationChunk { Text = text, TokenIds = ids, Logprobs = chunk.Logprobs, TopLogprobs = chunk.TopLogprobs, Finish = finish };
    }

    private static NativeAnswer Native(string json, bool isIncremental = false)
    {
        NativePlan plan = NativePlan.Create(RequestJson.Parse(Encoding.UTF8.GetBytes(json), ProtocolJsonContext.Default.GenerateRequest), NativePlanTests.Facts());
        return new NativeAnswer(plan, plan.Items[0], 0, "v", id => $"<{id}>", isIncremental);
    }

    private static string Show(GenerateResponse response) => $"{response.Text} [{string.Join(' ', response.OutputIds)}] {response.MetaInfo.FinishReason?.Type ?? "-"}";

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Events_are_those_of_the_serializer_whatever_their_form(bool isIncremental)
    {
        NativeAnswer streamed = Native("""{"text":"a","stream":true,"rid":"q\"\u0001"}""", isIncremental), serialized = Native("""{"text":"a","stream":true,"rid":"q\"\u0001"}""", isIncremental);
        GenerationChunk[] chunks = [Chunk("\"é", 5), Chunk("", 6), Chunk(new string('x', EventTemplate.MaxBytes), 7, 8), Chunk("b", 9), Last("z", FinishReason.Length, 10)];
        var expected = new ArrayBufferWriter<byte>();
        var actual = new ArrayBufferWriter<byte>();
        using var expectedEvents = new SseWriter(expected);
        using var actualEvents = new SseWriter(actual);
        for (int i = 0; i < chunks.Length; i++)
        {
            // The numbers that seldom change do so on the way.
            var progress = new GenerationProgress(3, i + 1, i / 2, i / 3, 0.5);
            streamed.Add(chunks[i]);
            streamed.WriteTo(actualEvents, progress);
            serialized.Add(chunks[i]);
            expectedEvents.Write(serialized.ToResponse(progress), ProtocolJsonContext.Default.GenerateResponse);
        }
        Assert.Equal(Encoding.UTF8.GetString(expected.WrittenSpan), Encoding.UTF8.GetString(actual.WrittenSpan));
    }

    [Fact]
    public void A_stream_is_cumulative_by_default_and_holds_back_the_latency_until_the_end()
    {
        NativeAnswer answer = Native("""{"text":"a","stream":true}""");
        answer.Add(Chunk("x", 5));
        GenerateResponse first = answer.ToResponse(s_progress);
        answer.Add(Last("yz", FinishReason.Length, 6, 7));
        GenerateResponse last = answer.ToResponse(s_progress);
        Assert.Equal(("x [5] -", "xyz [5 6 7] length"), (Show(first), Show(last)));
        Assert.Equal((null, 0.5), (first.MetaInfo.E2eLatency, last.MetaInfo.E2eLatency));
        Assert.Null(last.Index);
    }

    [Fact]
    public void Incremental_streams_slice_text_ids_and_output_logprobs()
    {
        NativeAnswer answer = Native("""{"text":"a","stream":true,"return_logprob":true,"top_logprobs_num":2}""", isIncremental: true);
        answer.Add(Chunk("x", 5));
        GenerateResponse first = answer.ToResponse(s_progress);
        answer.Add(Last("yz", FinishReason.Length, 6, 7));
        GenerateResponse last = answer.ToResponse(s_progress);
        Assert.Equal(("x [5] -", "yz [6 7] length"), (Show(first), Show(last)));
        Assert.Equal([6, 7], last.MetaInfo.OutputTokenLogprobs!.Select(entry => entry.TokenId));
        Assert.Equal(2, last.MetaInfo.OutputTopLogprobs!.Count);
        Assert.Equal(3, last.MetaInfo.OutputTokenLogprobsLength);
        Assert.Equal([5], first.MetaInfo.OutputTokenLogprobs!.Select(entry => entry.TokenId));
    }

    [Fact]
    public void Chosen_ids_are_told_at_every_position_in_the_order_of_the_request()
    {
        NativeAnswer answer = Native("""{"text":"a","return_logprob":true,"logprob_start_len":0,"token_ids_logprob":[9,4]}""");
        answer.Add(new GenerationChunk
        {
            Text = "x", TokenIds = [5], Logprobs = [new TokenLogprob(-0.5f, 5)], ChosenLogprobs = [[new TokenLogprob(-9, 9), new TokenLogprob(-4, 4)]],
            InputLogprobs = [new TokenLogprob(null, 1), new TokenLogprob(-1, 97)], InputChosenLogprobs = [null, [new TokenLogprob(-8, 9), new TokenLogprob(-3, 4)]],
        });
        MetaInfo meta = answer.ToResponse(s_progress).MetaInfo;
        Assert.Equal([new LogprobEntry(-9, 9, null), new LogprobEntry(-4, 4, null)], Assert.Single(meta.OutputTokenIdsLogprobs!)!);
        Assert.Equal([null, [new LogprobEntry(-8, 9, null), new LogprobEntry(-3, 4, null)]], meta.InputTokenIdsLogprobs);
        Assert.Null(Native("""{"text":"a","return_logprob":true}""").ToResponse(s_progress).MetaInfo.OutputTokenIdsLogprobs);
    }

    [Fact]
    public void Text_in_logprobs_only_when_asked_for()
    {
        NativeAnswer without = Native("""{"text":"a","return_logprob":true}""");
        NativeAnswer with = Native("""{"text":"a","return_logprob":true,"return_text_in_logprobs":true}""");
        without.Add(Chunk("x", 5));
        with.Add(Chunk("x", 5));
        Assert.Equal(new LogprobEntry(-0.5f, 5, null), without.ToResponse(s_progress).MetaInfo.OutputTokenLogprobs![0]);
        Assert.Equal(new LogprobEntry(-0.5f, 5, "<5>"), with.ToResponse(s_progress).MetaInfo.OutputTokenLogprobs![0]);
        Assert.Null(with.ToResponse(s_progress).MetaInfo.OutputTopLogprobs);
        Assert.Null(Native("""{"text":"a"}""").ToResponse(s_progress).MetaInfo.OutputTokenLogprobs);
    }

    [Fact]
    public void Events_of_a_batch_have_an_index_and_whole_answers_do_not()
    {
        Assert.Equal(0, Native("""{"text":["a"],"stream":true}""").ToResponse(s_progress).Index);
        Assert.Null(Native("""{"text":["a"]}""").ToResponse(s_progress).Index);
    }

    [Theory]
    [InlineData("""{"prompt":"a"}""", null)]
    [InlineData("""{"prompt":"a","cache_salt":"","extra_key":""}""", null)]
    [InlineData("""{"prompt":"a","cache_salt":"s"}""", "s")]
    [InlineData("""{"prompt":"a","extra_key":"k","cache_salt":["s"]}""", "sk")]
    public void A_salt_stands_before_the_key_of_a_prompts_cache(string json, string? expected) =>
        Assert.Equal(expected, OpenAI(json).Plan.Items[0].Request.ExtraKey);

    private static (OpenAIPlan Plan, OpenAIAnswer Answer) OpenAI(string json)
    {
        OpenAIPlan plan = OpenAIPlan.ForCompletion(RequestJson.Parse(Encoding.UTF8.GetBytes(json), ProtocolJsonContext.Default.CompletionRequest), NativePlanTests.Facts(), new ServerOptions());
        return (plan, new OpenAIAnswer(plan, plan.Items[0], id => id == 8 ? "é" : $"<{id}>"));
    }

    [Fact]
    public void Deltas_are_taken_once()
    {
        (_, OpenAIAnswer answer) = OpenAI("""{"prompt":"a","stream":true}""");
        Assert.False(answer.HasDelta);
        answer.Add(Chunk("x", 5));
        Assert.True(answer.HasDelta);
        Assert.Equal("x", answer.TakeDelta());
        answer.Add(Chunk("", 6));
        Assert.False(answer.HasDelta);
        answer.Add(Last("y", FinishReason.StopString("END"), 7));
        Assert.Equal(("y", "stop", "END"), (answer.TakeDelta(), answer.FinishName, answer.MatchedStop?.Text));
    }

    [Theory]
    [InlineData(FinishKind.StopToken, "stop")]
    [InlineData(FinishKind.StopString, "stop")]
    [InlineData(FinishKind.Length, "length")]
    [InlineData(FinishKind.Abort, "abort")]
    public void Finish_reasons_have_their_names(FinishKind kind, string name)
    {
        (_, OpenAIAnswer answer) = OpenAI("""{"prompt":"a"}""");
        Assert.Null(answer.FinishName);
        answer.Add(Last("", new FinishReason(kind, 5, "t")));
        Assert.Equal(name, answer.FinishName);
        Assert.Equal(kind switch { FinishKind.StopToken => 5, FinishKind.StopString => "t", _ => (IdOrText?)null }, answer.MatchedStop);
    }

    [Fact]
    public void Echo_comes_first_with_the_scores_of_the_prompt()
    {
        (_, OpenAIAnswer answer) = OpenAI("""{"prompt":"ab","echo":true,"logprobs":2}""");
        answer.Add(new GenerationChunk
        {
            Text = "x",
            TokenIds = [5],
            Logprobs = [new TokenLogprob(-0.5f, 5)],
            TopLogprobs = [[new TokenLogprob(-0.5f, 5), new TokenLogprob(float.NegativeInfinity, 8)]],
            InputLogprobs = [new TokenLogprob(null, 1), new TokenLogprob(-1, 97)],
            InputTopLogprobs = [null, [new TokenLogprob(-1, 97)]],
        });
        Assert.Equal("abx", answer.Text);
        Assert.Equal(
            """{"text_offset":[-1,-1,-1],"token_logprobs":[null,-1,-0.5],"tokens":["<1>","<97>","<5>"],"top_logprobs":[null,{"<97>":-1},{"<5>":-0.5,"é":-9999}]}""",
            JsonNode.Parse(JsonSerializer.SerializeToUtf8Bytes(answer.CompletionLogprobs()!, ProtocolJsonContext.Default.CompletionLogprobs))!.ToJsonString(
                new JsonSerializerOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }));
    }

    [Fact]
    public void Chat_logprobs_have_the_bytes_of_their_tokens()
    {
        (_, OpenAIAnswer answer) = OpenAI("""{"prompt":"a","logprobs":1}""");
        Assert.Null(answer.ChatLogprobs());
        answer.Add(Chunk("é", 8));
        ChatTokenLogprob token = Assert.Single(answer.ChatLogprobs()!.Content);
        Assert.Equal([195, 169], token.Bytes);
        Assert.Equal(-0.8f, token.Logprob);
    }

    [Theory]
    [InlineData("""{"prompt":"a"}""", 16)]
    [InlineData("""{"prompt":"a","max_tokens":3}""", 3)]
    public void A_completion_is_16_tokens_long_by_default(string json, int tokens) => Assert.Equal(tokens, OpenAI(json).Plan.Items[0].Request.Sampling.MaxNewTokens);
}
