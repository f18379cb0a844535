using SgLang.BindingsGen.Model;

namespace SgLang.BindingsGen.Writers;

/// <summary>C names to C# names, by rule: words are split at underscores and capitalised.</summary>
internal static class Names
{
    // Words whose capitals the rule cannot know.
    private static readonly Dictionary<string, string> s_words = new(StringComparer.OrdinalIgnoreCase) { ["dtype"] = "DType" };

    private static readonly HashSet<string> s_keywords = new(StringComparer.Ordinal)
    {
        "abstract", "as", "base", "bool", "break", "byte", "case", "catch", "char", "checked", "class", "const", "continue",
        "decimal", "default", "delegate", "do", "double", "else", "enum", "event", "explicit", "extern", "false", "finally",
        "fixed", "float", "for", "foreach", "goto", "if", "implicit", "in", "int", "interface", "internal", "is", "lock", "long",
        "namespace", "new", "null", "object", "operator", "out", "override", "params", "private", "protected", "public",
        "readonly", "ref", "return", "sbyte", "sealed", "short", "sizeof", "stackalloc", "static", "string", "struct", "switch",
        "this", "throw", "true", "try", "typeof", "uint", "ulong", "unchecked", "unsafe", "ushort", "using", "virtual", "void",
        "volatile", "while",
    };

    /// <summary>`sgl_attention_plan` to `SglAttentionPlan`, `num_q_heads` to `NumQHeads`.</summary>
    public static string Pascal(string cName) => string.Concat(Words(cName).Select(Capitalise));

    /// <summary>`k_cache` to `kCache`, `out` to `@out`.</summary>
    public static string Camel(string cName)
    {
        string pascal = Pascal(cName);
        string camel = char.ToLowerInvariant(pascal[0]) + pascal[1..];
        return s_keywords.Contains(camel) ? "@" + camel : camel;
    }

    /// <summary>The member without the words it shares with its enum: SGL_ROPE_HALF_SPLIT of sgl_rope_layout is HalfSplit.</summary>
    public static string Member(EnumDeclaration declaration, EnumMember member)
    {
        string[] enumWords = Words(declaration.Name);
        string[] words = Words(member.Name);
        int shared = 0;
        while (shared < words.Length - 1 && shared < enumWords.Length &&
               string.Equals(words[shared], enumWords[shared], StringComparison.OrdinalIgnoreCase))
        {
            shared++;
        }
        string name = string.Concat(words[shared..].Select(Capitalise));
        return char.IsAsciiDigit(name[0])
            ? throw BindingsException.At(member.Location, $"'{member.Name}' would be called '{name}' in C#: begin it with a letter")
            : name;
    }

    /// <summary>`kvcache.h` to `Kvcache.g.cs`.</summary>
    public static string GeneratedFile(string header) => Pascal(Path.GetFileNameWithoutExtension(header)) + ".g.cs";

    private static string[] Words(string cName) => cName.Split('_', StringSplitOptions.RemoveEmptyEntries);

    // Words with digits are codes (F32, BF16, E4M3) and keep their capitals.
    private static string Capitalise(string word) =>
        s_words.TryGetValue(word, out string? known) ? known
        : word.Any(char.IsAsciiDigit) ? char.ToUpperInvariant(word[0]) + word[1..]
        : char.ToUpperInvariant(word[0]) + word[1..].ToLowerInvariant();
}
