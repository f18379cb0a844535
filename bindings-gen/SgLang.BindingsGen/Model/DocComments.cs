namespace SgLang.BindingsGen.Model;

/// <summary>
/// Takes comments from the header's text rather than from a parser, whose Doxygen rules would read `\` and `&lt;` as markup:
/// the `///` lines directly above the line a declaration begins on belong to it.
/// </summary>
internal sealed class DocComments(Func<string, string[]> readLines)
{
    private readonly Dictionary<string, string[]> _lines = new(StringComparer.Ordinal);

    public Declaration Attach(Declaration declaration) => declaration switch
    {
        EnumDeclaration e => e with { Doc = Above(e.Location), Members = [.. e.Members.Select(m => m with { Doc = Inside(e, m) })] },
        StructDeclaration s => s with { Doc = Above(s.Location), Fields = [.. s.Fields.Select(f => f with { Doc = Inside(s, f) })] },
        _ => declaration with { Doc = Above(declaration.Location) },
    };

    /// <summary>A member on its parent's line has no comment of its own: the one above is the parent's.</summary>
    private IReadOnlyList<string> Inside(Declaration parent, Declaration member) =>
        member.Location.Line == parent.Location.Line ? [] : Above(member.Location);

    private IReadOnlyList<string> Above(SourceLocation location)
    {
        if (!_lines.TryGetValue(location.Header, out string[]? lines))
        {
            lines = readLines(location.Header);
            _lines.Add(location.Header, lines);
        }
        int first = location.Line - 1;
        while (first > 0 && lines[first - 1].TrimStart().StartsWith("///", StringComparison.Ordinal))
        {
            first--;
        }
        return [.. lines[first..(location.Line - 1)].Select(line => line.TrimStart()[3..].Trim())];
    }
}
