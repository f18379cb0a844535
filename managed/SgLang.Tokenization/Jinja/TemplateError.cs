namespace SgLang.Tokenization.Jinja;

/// <summary>Something wrong in a template or in what it was given. <see cref="Line"/> 0: not known yet, the nearest statement fills it in.</summary>
internal sealed class TemplateError(string message, int line = 0) : Exception(message)
{
    public int Line { get; } = line;

    /// <summary>Raised by the template itself (raise_exception): its message is for the user as it is.</summary>
    public bool IsRaised { get; init; }
}
