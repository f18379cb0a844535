namespace SgLang.BindingsGen.Model;

/// <summary>Something the user must change: a header construct that cannot be bound, or a missing tool.</summary>
internal sealed class BindingsException(string message) : Exception(message)
{
    public static BindingsException At(SourceLocation location, string message) => new($"{location}: {message}");
}
