using System.Text.Json;
using System.Text.Json.Serialization;

namespace SgLang.Protocol;

/// <summary>Error of the OpenAI endpoints, and of every endpoint for a malformed body and for errors of the server.</summary>
public sealed record ErrorBody
{
    public string Object { get; init; } = "error";
    public required string Message { get; init; }
    public required string Type { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Param { get; init; }
    public required int Code { get; init; }
}

/// <summary>An <see cref="ErrorBody"/> as an event of a stream.</summary>
public sealed record ErrorEvent(ErrorBody Error);

/// <summary>{"error": {"message": ...}}: validation failures of the native endpoints.</summary>
public sealed record NativeErrorBody(NativeError Error);

public sealed record NativeError(string Message);

/// <summary>{"error": "Unauthorized"} and the like.</summary>
public sealed record AuthErrorBody(string Error);

/// <summary>Model not found, in the form of OpenAI's own service.</summary>
public sealed record ModelNotFoundBody(ModelNotFound Error);

public sealed record ModelNotFound(string Message, string Type, string Param, string Code);

/// <summary>The `type` of an error by its status.</summary>
public static class ErrorTypes
{
    public static string ForStatus(int status) => status switch
    {
        400 => "BadRequestError",
        404 => "NotFoundError",
        500 => "InternalServerError",
        501 => "NotImplementedError",
        503 => "ServiceUnavailableError",
        _ => status.ToString(System.Globalization.CultureInfo.InvariantCulture),
    };
}
