namespace SgLang.Interop;

/// <summary>A native call failed; the message says what was expected and what came.</summary>
public sealed class SglException(SglStatus status, string message) : Exception(message)
{
    public SglStatus Status { get; } = status;
}
