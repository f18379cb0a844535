namespace SgLang.Profiling;

/// <summary>Part of a text; empty where there is nothing.</summary>
internal readonly record struct TextRange(int Start, int End)
{
    public bool IsEmpty => Start == End;
}
