namespace SgLang.Profiling;

/// <summary>Traces that cannot be merged; the message says which and why.</summary>
public sealed class TraceMergeException(string message, Exception? inner = null) : Exception(message, inner);
