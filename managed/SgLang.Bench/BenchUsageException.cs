namespace SgLang.Bench;

/// <summary>What was asked for cannot be done, whatever the server or the machine does: a file that is not there, flags that do not go together.</summary>
public sealed class BenchUsageException(string message) : BenchException(message);
