namespace SgLang.Cli.Parsing;

/// <summary>A command line that cannot be carried out as written: exit code 2, and the message on stderr.</summary>
internal sealed class UsageException(string message) : Exception(message);
