using System.Text.Json;
using SgLang.Tokenization.Patterns;
using SgLang.Tokenization.PreTokenizers;

namespace SgLang.Tokenization.Loading;

/// <summary>{"String": ...} or {"Regex": ...}.</summary>
internal static class PatternReader
{
    public static Delimiter Read(JsonElement pattern, string path)
    {
        if (pattern.ValueKind == JsonValueKind.String)
        {
            return new StringDelimiter(pattern.GetString()!);
        }

        if (pattern.Member("String") is not null)
        {
            return new StringDelimiter(pattern.Text("String", path));
        }

        if (pattern.Member("Regex") is null)
        {
            throw new TokenizerException($"{path} has neither String nor Regex");
        }

        string regex = pattern.Text("Regex", path);
        try
        {
            return KnownPatterns.Find(regex) ?? new RegexDelimiter(new CodePointRegex(regex));
        }
        catch (TokenizerException e)
        {
            throw new TokenizerException($"{path}: {e.Message}", e);
        }
    }
}
