namespace SgLang.Bench.Compare;

/// <summary>Two files that must not be compared; the message says what differs and how to allow it.</summary>
public sealed class UnlikeRunsException(string message) : Exception(message);
