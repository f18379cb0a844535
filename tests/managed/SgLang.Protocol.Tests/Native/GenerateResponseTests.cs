using System.Text.Json;
using SgLang.Core;
using SgLang.Protocol.Json;

namespace SgLang.Protocol.Tests.Native;

public class GenerateResponseTests
{
    private static string Json(GenerateResponse response) => ResponseJson.ToText(response, ProtocolJsonContext.Default.GenerateResponse);

    [Fact]
    public void While_running_the_finish_reason_is_null()
    {
        var response = new GenerateResponse
        {
            Text = "a\"ü\n",
            OutputIds = [1, 2],
            MetaInfo = new MetaInfo { Id = "r", PromptTokens = 3, CompletionTokens = 2, CachedTokens = 1, WeightVersion = "default" },
        };
        Assert.Equal(
            """{"text":"a\"ü\n","output_ids":[1,2],"meta_info":{"id":"r","finish_reason":null,"prompt_tokens":3,"completion_tokens":2,"cached_tokens":1,"reasoning_tokens":0,"weight_version":"default","num_retractions":0}}""",
            Json(response));
    }

    [Fact]
    public void Logprobs_are_triples()
    {
        var response = new GenerateResponse
        {
            OutputIds = [9],
            Index = 1,
            MetaInfo = new MetaInfo
            {
                Id = "r",
                FinishReason = FinishReasonBody.From(FinishReason.StopToken(9), 1),
                E2eLatency = 0.5,
                InputTokenLogprobs = [new(null, 4, null), new(-0.25f, 5, "x")],
                OutputTokenLogprobs = [new(float.NegativeInfinity, 9, "y")],
                OutputTokenLogprobsLength = 1,
                OutputTopLogprobs = [[new(-1, 9, "y"), new(-2, 8, null)]],
                InputTopLogprobs = [null, []],
            },
        };
        Assert.Equal(
            """{"output_ids":[9],"meta_info":{"id":"r","finish_reason":{"type":"stop","matched":9},"prompt_tokens":0,"completion_tokens":0,"cached_tokens":0,"reasoning_tokens":0,"num_retractions":0,"e2e_latency":0.5,"input_token_logprobs":[[null,4,null],[-0.25,5,"x"]],"output_token_logprobs":[[null,9,"y"]],"output_token_logprobs_length":1,"input_top_logprobs":[null,[]],"output_top_logprobs":[[[-1,9,"y"],[-2,8,null]]]},"index":1}""",
            Json(response));
    }

    [Fact]
    public void Finish_reasons_have_the_shapes_of_the_native_api()
    {
        Assert.Equal("""{"type":"stop","matched":7}""", Finish(FinishReason.StopToken(7)));
        Assert.Equal("""{"type":"stop","matched":"END"}""", Finish(FinishReason.StopString("END")));
        Assert.Equal("""{"type":"length","length":5}""", Finish(FinishReason.Length));
        Assert.Equal("""{"type":"abort","message":"gone","status_code":null,"err_type":null}""", Finish(FinishReason.Abort("gone")));
        Assert.Equal("""{"type":"abort","message":"full","status_code":503,"err_type":"ServiceUnavailableError"}""", Finish(FinishReason.Abort("full", 503)));
    }

    [Fact]
    public void A_response_reads_back()
    {
        foreach (FinishReason reason in new[] { FinishReason.StopToken(7), FinishReason.StopString("x"), FinishReason.Length, FinishReason.Abort("m", 500), FinishReason.Abort("m") })
        {
            string json = Json(new GenerateResponse
            {
                Text = "t",
                OutputIds = [7],
                MetaInfo = new MetaInfo { Id = "r", FinishReason = FinishReasonBody.From(reason, 5), OutputTokenLogprobs = [new(-1.5f, 7, null)] },
            });
            Assert.Equal(json, Json(JsonSerializer.Deserialize(json, ProtocolJsonContext.Default.GenerateResponse)!));
        }
    }

    private static string Finish(FinishReason reason)
    {
        string json = Json(new GenerateResponse { MetaInfo = new MetaInfo { Id = "r", FinishReason = FinishReasonBody.From(reason, 5) } });
        using JsonDocument document = JsonDocument.Parse(json);
        return document.RootElement.GetProperty("meta_info").GetProperty("finish_reason").GetRawText();
    }
}
