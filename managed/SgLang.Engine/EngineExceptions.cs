namespace SgLang.Engine;

/// <summary>The engine could not start; the message says what to change.</summary>
public sealed class EngineStartException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>A step of a batch driven by hand has failed, on a lost device for instance; the message says of what.</summary>
public sealed class StepFailedException(string message, Exception inner) : Exception(message, inner);

/// <summary>A request that was not accepted; the message is for its sender.</summary>
public sealed class RequestRejectedException(string message, int statusCode) : Exception(message)
{
    public int StatusCode { get; } = statusCode;
}

/// <summary>Steps have stopped ending; the engine's threads may hang for ever.</summary>
public sealed class EngineStalledException(string message) : Exception(message);
