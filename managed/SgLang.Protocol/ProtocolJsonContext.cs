using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using SgLang.Protocol.Json;

namespace SgLang.Protocol;

/// <summary>Serializers of every body: snake_case, unknown fields ignored, nulls left out unless a field says otherwise.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    Converters =
    [
        typeof(StrictInt32Converter), typeof(StrictInt64Converter), typeof(StrictDoubleConverter), typeof(StrictSingleConverter),
        typeof(StrictBooleanConverter), typeof(StrictStringConverter), typeof(OneOrManyStringConverter), typeof(OneOrManyInt32Converter),
        typeof(OneOrManyBooleanConverter), typeof(OneOrManySamplingConverter), typeof(TokenIdsConverter),
    ])]
[JsonSerializable(typeof(GenerateRequest))]
[JsonSerializable(typeof(GenerateResponse))]
[JsonSerializable(typeof(List<GenerateResponse>))]
[JsonSerializable(typeof(SamplingParamsBody))]
[JsonSerializable(typeof(TokenizeRequest))]
[JsonSerializable(typeof(TokenizeResponse))]
[JsonSerializable(typeof(DetokenizeRequest))]
[JsonSerializable(typeof(DetokenizeResponse))]
[JsonSerializable(typeof(SeparateReasoningRequest))]
[JsonSerializable(typeof(SeparateReasoningResponse))]
[JsonSerializable(typeof(ParseFunctionCallRequest))]
[JsonSerializable(typeof(ParseFunctionCallResponse))]
[JsonSerializable(typeof(AbortRequest))]
[JsonSerializable(typeof(PauseGenerationRequest))]
[JsonSerializable(typeof(PauseGenerationResponse))]
[JsonSerializable(typeof(ContinueGenerationRequest))]
[JsonSerializable(typeof(ModelInfoResponse))]
[JsonSerializable(typeof(CompletionRequest))]
[JsonSerializable(typeof(CompletionResponse))]
[JsonSerializable(typeof(ChatCompletionRequest))]
[JsonSerializable(typeof(ChatCompletionResponse))]
[JsonSerializable(typeof(ChatCompletionChunk))]
[JsonSerializable(typeof(ResponsesRequest))]
[JsonSerializable(typeof(ResponseBody))]
[JsonSerializable(typeof(ResponseEvent))]
[JsonSerializable(typeof(ResponseDeleted))]
[JsonSerializable(typeof(EmbeddingRequest))]
[JsonSerializable(typeof(EmbeddingResponse))]
[JsonSerializable(typeof(EncodeRequest))]
[JsonSerializable(typeof(EncodeResponse))]
[JsonSerializable(typeof(List<EncodeResponse>))]
[JsonSerializable(typeof(RequestList))]
[JsonSerializable(typeof(RequestReport))]
[JsonSerializable(typeof(LiveStats))]
[JsonSerializable(typeof(ModelList))]
[JsonSerializable(typeof(ModelCard))]
[JsonSerializable(typeof(ErrorBody))]
[JsonSerializable(typeof(ErrorEvent))]
[JsonSerializable(typeof(NativeErrorBody))]
[JsonSerializable(typeof(AuthErrorBody))]
[JsonSerializable(typeof(ModelNotFoundBody))]
[JsonSerializable(typeof(JsonObject))]
public sealed partial class ProtocolJsonContext : JsonSerializerContext;
