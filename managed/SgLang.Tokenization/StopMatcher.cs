namespace SgLang.Tokenization;

/// <summary>Finds stop strings in a growing text and holds back a tail that may be the beginning of one. Linear in time; not thread safe.</summary>
public sealed class StopMatcher(IReadOnlyList<string> stops, bool keepMatch)
{
    /// <summary>
    /// Takes more text; returns what may be shown. After a match <see cref="Matched"/> is set, the returned text ends before the match (or
    /// after it with keepMatch), and nothing more is accepted.
    /// </summary>
    public string Append(string text) => throw new NotImplementedException();

    /// <summary>The held-back tail, when the generation ended without a match.</summary>
    public string Finish() => throw new NotImplementedException();

    /// <summary>The stop string found (of several ending at the same place the one that begins first), or null.</summary>
    public string? Matched => throw new NotImplementedException();
}
