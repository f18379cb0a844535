namespace SgLang.Grammars;

/// <summary>How grammars are compiled; the same for all requests of an engine.</summary>
public sealed record GrammarOptions
{
    public static readonly GrammarOptions Default = new();

    public TimeSpan CompileTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Automaton states, those of intermediate steps included.</summary>
    public int MaxStates { get; init; } = 1_000_000;

    /// <summary>JSON is written as Python's json.dumps does: ", " and ": " and nothing else between values.</summary>
    public bool CompactJson { get; init; }

    /// <summary>A regular expression for the blank space between JSON tokens; null takes the built-in rule.</summary>
    public string? JsonWhitespacePattern { get; init; }
}
