namespace SgLang.BindingsGen.Model;

/// <summary>Where a declaration begins: header relative to the folder of sgl.h, line from 1.</summary>
internal readonly record struct SourceLocation(string Header, int Line)
{
    public override string ToString() => $"{Header}:{Line}";
}

/// <summary>Anything a header declares. `Doc` holds the lines of the `///` comment above it, without the slashes.</summary>
internal abstract record Declaration(string Name, SourceLocation Location)
{
    public IReadOnlyList<string> Doc { get; init; } = [];
}

internal sealed record EnumMember(string Name, long Value, SourceLocation Location) : Declaration(Name, Location);

internal sealed record EnumDeclaration(string Name, IReadOnlyList<EnumMember> Members, SourceLocation Location)
    : Declaration(Name, Location);

internal sealed record FieldDeclaration(string Name, CType Type, SourceLocation Location) : Declaration(Name, Location);

internal sealed record StructDeclaration(string Name, IReadOnlyList<FieldDeclaration> Fields, SourceLocation Location)
    : Declaration(Name, Location);

/// <summary>A struct that is declared and never defined: callers hold pointers to it only.</summary>
internal sealed record HandleDeclaration(string Name, SourceLocation Location) : Declaration(Name, Location);

internal sealed record Parameter(string Name, CType Type);

internal sealed record FunctionDeclaration(
    string Name, CType ReturnType, IReadOnlyList<Parameter> Parameters, SourceLocation Location)
    : Declaration(Name, Location);

/// <summary>All that the headers declare, whoever read them. Declarations are in order of header name and line.</summary>
internal sealed class HeaderModel
{
    private readonly Dictionary<string, Declaration> _types;

    public HeaderModel(IEnumerable<Declaration> declarations)
    {
        Declarations = [.. declarations.OrderBy(d => d.Location.Header, StringComparer.Ordinal).ThenBy(d => d.Location.Line)];
        _types = new Dictionary<string, Declaration>(StringComparer.Ordinal);
        foreach (Declaration declaration in Declarations)
        {
            if (!_types.TryAdd(declaration.Name, declaration))
            {
                throw BindingsException.At(
                    declaration.Location, $"'{declaration.Name}' is already declared at {_types[declaration.Name].Location}");
            }
        }
    }

    public IReadOnlyList<Declaration> Declarations { get; }

    public IEnumerable<EnumDeclaration> Enums => Declarations.OfType<EnumDeclaration>();

    public IEnumerable<StructDeclaration> Structs => Declarations.OfType<StructDeclaration>();

    public IEnumerable<FunctionDeclaration> Functions => Declarations.OfType<FunctionDeclaration>();

    /// <summary>The enum, struct or handle of that name, or null.</summary>
    public Declaration? FindType(string name) => _types.GetValueOrDefault(name) is { } found and not FunctionDeclaration ? found : null;

    /// <summary>Struct `name` as a value; only after <see cref="Validator"/> has accepted the model.</summary>
    public StructDeclaration Struct(string name) => (StructDeclaration)_types[name];
}
