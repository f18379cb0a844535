using System.Text;
using SgLang.Core;
using SgLang.Protocol.Json;

namespace SgLang.Protocol.Tests.OpenAI;

/// <summary>Bodies compared with their literal JSON: clients rely on which fields are null and which are absent.</summary>
public class ShapesTests
{
    [Fact]
    public void Completion()
    {
        var response = new CompletionResponse
        {
            Id = "r",
            Created = 5,
            Model = "m",
            Choices =
            [
                new CompletionChoice
                {
                    Index = 0,
                    Text = "hi",
                    Logprobs = new CompletionLogprobs { TextOffset = [-1], TokenLogprobs = [null], Tokens = ["hi"], TopLogprobs = [new() { ["hi"] = -0.5f }] },
                    FinishReason = "stop",
                    MatchedStop = 7,
                },
            ],
            Usage = new Usage { PromptTokens = 1, CompletionTokens = 2, TotalTokens = 3 },
            Metadata = new ResponseMetadata("default"),
        };
        Assert.Equal(
            """{"id":"r","object":"text_completion","created":5,"model":"m","choices":[{"index":0,"text":"hi","logprobs":{"text_offset":[-1],"token_logprobs":[null],"tokens":["hi"],"top_logprobs":[{"hi":-0.5}]},"finish_reason":"stop","matched_stop":7}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"reasoning_tokens":0,"prompt_tokens_details":null},"metadata":{"weight_version":"default"}}""",
            ResponseJson.ToText(response, ProtocolJsonContext.Default.CompletionResponse));
    }

    [Fact]
    public void Chat()
    {
        var response = new ChatCompletionResponse
        {
            Id = "r",
            Created = 5,
            Model = "m",
            Choices = [new ChatChoice { Index = 0, Message = new ChatMessage { Role = "assistant", Content = "" }, FinishReason = "stop", MatchedStop = "END" }],
            Usage = new Usage { PromptTokens = 1, CompletionTokens = 0, TotalTokens = 1, PromptTokensDetails = new(1) },
            Metadata = new ResponseMetadata("v"),
        };
        Assert.Equal(
            """{"id":"r","object":"chat.completion","created":5,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"","reasoning_content":null,"tool_calls":null},"logprobs":null,"finish_reason":"stop","matched_stop":"END"}],"usage":{"prompt_tokens":1,"completion_tokens":0,"total_tokens":1,"reasoning_tokens":0,"prompt_tokens_details":{"cached_tokens":1}},"metadata":{"weight_version":"v"}}""",
            ResponseJson.ToText(response, ProtocolJsonContext.Default.ChatCompletionResponse));
    }

    [Fact]
    public void Chat_chunk_shows_its_nulls()
    {
        var chunk = new ChatCompletionChunk
        {
            Id = "r",
            Created = 5,
            Model = "m",
            Choices =
            [
                new ChatChunkChoice
                {
                    Index = 0,
                    Delta = new ChatDelta { Content = "x" },
                    Logprobs = new ChatLogprobs { Content = [new ChatTokenLogprob { Token = "é", Bytes = [195, 169], Logprob = -1, TopLogprobs = [new ChatTopLogprob { Token = "e", Bytes = [101], Logprob = -2 }] }] },
                },
            ],
        };
        Assert.Equal(
            """{"id":"r","object":"chat.completion.chunk","created":5,"model":"m","choices":[{"index":0,"delta":{"role":null,"content":"x","reasoning_content":null,"tool_calls":null},"logprobs":{"content":[{"token":"é","bytes":[195,169],"logprob":-1,"top_logprobs":[{"token":"e","bytes":[101],"logprob":-2}]}]},"finish_reason":null,"matched_stop":null}],"usage":null}""",
            ResponseJson.ToText(chunk, ProtocolJsonContext.Default.ChatCompletionChunk));
    }

    [Fact]
    public void Errors_and_models()
    {
        Assert.Equal("""{"object":"error","message":"no","type":"BadRequestError","param":null,"code":400}""",
            ResponseJson.ToText(new ErrorBody { Message = "no", Type = "BadRequestError", Code = 400 }, ProtocolJsonContext.Default.ErrorBody));
        Assert.Equal("""{"error":{"message":"no"}}""", ResponseJson.ToText(new NativeErrorBody(new("no")), ProtocolJsonContext.Default.NativeErrorBody));
        Assert.Equal("""{"error":"Unauthorized"}""", ResponseJson.ToText(new AuthErrorBody("Unauthorized"), ProtocolJsonContext.Default.AuthErrorBody));
        Assert.Equal("""{"data":[{"id":"m","object":"model","created":5,"owned_by":"sglang","root":"m","parent":null,"max_model_len":9}],"object":"list"}""",
            ResponseJson.ToText(new ModelList([new ModelCard { Id = "m", Created = 5, Root = "m", MaxModelLen = 9 }]), ProtocolJsonContext.Default.ModelList));
    }

    [Theory]
    [InlineData("""{"lora_path":"a"}""", "lora_path is not supported by this server; remove it from the request.")]
    [InlineData("""{"return_hidden_states":true}""", "return_hidden_states is not supported by this server; remove it from the request.")]
    public void What_cannot_be_honoured_is_refused(string json, string message)
    {
        var request = RequestJson.Parse(Encoding.UTF8.GetBytes(json), ProtocolJsonContext.Default.ChatCompletionRequest);
        Assert.Equal(message, Assert.Throws<InvalidRequestException>(request.RefuseUnsupported).Message);
    }

    [Theory]
    [InlineData("""{"regex":"a","ebnf":"b"}""", "Only one of regex, json_schema, or ebnf can be set.")]
    [InlineData("""{"regex":"a","response_format":{"type":"json_object"}}""", "Only one of regex, json_schema, ebnf, or response_format can be set.")]
    [InlineData("""{"response_format":{"type":"xml"}}""", "response_format.type must be \"text\", \"json_object\", \"json_schema\" or \"structural_tag\" on this server, got \"xml\".")]
    [InlineData("""{"response_format":{}}""", "response_format.type must be \"text\", \"json_object\", \"json_schema\" or \"structural_tag\" on this server, got null.")]
    [InlineData("""{"response_format":{"type":"json_schema"}}""", "response_format.json_schema.schema is required for response_format of type \"json_schema\".")]
    [InlineData("""{"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":[]}}}""", "response_format.json_schema.schema must be a JSON schema: an object, or its text, got [].")]
    [InlineData("""{"json_schema":7}""", "json_schema must be a JSON schema: an object, or its text, got 7.")]
    public void Grammars_of_the_wrong_form_are_refused(string json, string message)
    {
        var request = RequestJson.Parse(Encoding.UTF8.GetBytes(json), ProtocolJsonContext.Default.ChatCompletionRequest);
        Assert.Equal(message, Assert.Throws<InvalidRequestException>(() => request.ToSamplingParams(null, new SamplingParams(), 100)).Message);
    }

    [Theory]
    [InlineData("""{"regex":"a"}""", GrammarKind.Regex, "a")]
    [InlineData("""{"ebnf":"root ::= 'a'"}""", GrammarKind.Ebnf, "root ::= 'a'")]
    [InlineData("""{"json_schema":"{\"type\":\"null\"}"}""", GrammarKind.JsonSchema, """{"type":"null"}""")]
    [InlineData("""{"json_schema":{"type":"null"}}""", GrammarKind.JsonSchema, """{"type":"null"}""")]
    [InlineData("""{"response_format":{"type":"json_object"}}""", GrammarKind.JsonSchema, """{"type":"object"}""")]
    [InlineData("""{"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"null"},"strict":true}}}""", GrammarKind.JsonSchema, """{"type":"null"}""")]
    public void Grammars_are_taken_from_every_field(string json, GrammarKind kind, string text)
    {
        var request = RequestJson.Parse(Encoding.UTF8.GetBytes(json), ProtocolJsonContext.Default.CompletionRequest);
        Assert.Equal(new GrammarSpec(kind, text), request.ToSamplingParams(null, new SamplingParams(), 100).Grammar);
    }

    [Fact]
    public void Plain_text_format_is_accepted()
    {
        RequestJson.Parse("""{"response_format":{"type":"text"},"tool_choice":"auto","extra_key":null}"""u8, ProtocolJsonContext.Default.ChatCompletionRequest).RefuseUnsupported();
    }

    [Fact]
    public void Sampling_defaults_come_from_the_model_where_the_request_says_nothing()
    {
        var request = RequestJson.Parse("""{"temperature":0.5,"seed":3,"min_tokens":1,"stop":"x","stop_regex":["a+","b"]}"""u8, ProtocolJsonContext.Default.ChatCompletionRequest);
        SamplingParams sampling = request.ToSamplingParams(10, new SamplingParams { Temperature = 0.6, TopP = 0.8, TopK = 20, MinP = 0.1, RepetitionPenalty = 1.05 }, 100);
        Assert.Equivalent(new SamplingParams { MaxNewTokens = 10, MinNewTokens = 1, Temperature = 0.5, TopP = 0.8, TopK = 20, MinP = 0.1, RepetitionPenalty = 1.05, Stop = ["x"], StopRegex = ["a+", "b"], Seed = 3 }, sampling, strict: true);
    }
}
