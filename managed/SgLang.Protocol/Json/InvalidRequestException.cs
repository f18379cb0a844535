namespace SgLang.Protocol;

/// <summary>A request that cannot be served as written; the message is for its sender. Answered with status 400.</summary>
public class InvalidRequestException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>A body that is not JSON, or not of the shape its endpoint takes.</summary>
public sealed class MalformedBodyException(string message, Exception? inner = null) : InvalidRequestException(message, inner);
