using CppSharp.AST;
using CppSharp.Generators;
using SgLang.BindingsGen.Model;
using Declaration = SgLang.BindingsGen.Model.Declaration;
using Parameter = SgLang.BindingsGen.Model.Parameter;
using SourceLocation = SgLang.BindingsGen.Model.SourceLocation;

namespace SgLang.BindingsGen.CppSharp;

/// <summary>CppSharp's "target language" is our model: units go in, declarations come out, and no code is generated here.</summary>
internal sealed class ModelGenerator(BindingContext context) : Generator(context)
{
    private readonly List<TranslationUnit> _units = [];

    public override bool SetupPasses() => true;

    public override List<CodeGenerator> Generate(IEnumerable<TranslationUnit> units)
    {
        _units.AddRange(units);
        return [];
    }

    public IEnumerable<Declaration> Declarations(string headerFolder)
    {
        var declarations = new List<Declaration>();
        foreach (TranslationUnit unit in _units)
        {
            string header = Path.GetRelativePath(headerFolder, unit.FilePath).Replace('\\', '/');
            if (header.StartsWith("..", StringComparison.Ordinal) || Path.IsPathRooted(header))
            {
                continue;
            }
            declarations.AddRange(unit.Enums.Select(e => ReadEnum(e, header)));
            declarations.AddRange(unit.Classes.Select(c => ReadClass(c, header)));
            declarations.AddRange(unit.Functions.Select(f => ReadFunction(f, header)));
            foreach (TypedefNameDecl typedef in unit.Typedefs)
            {
                CheckTypedef(typedef, header);
            }
            if (unit.Variables.FirstOrDefault() is { } variable)
            {
                throw Unsupported.Declaration("VarDecl", variable.OriginalName, At(variable, header));
            }
        }
        return declarations;
    }

    private static EnumDeclaration ReadEnum(Enumeration source, string header)
    {
        SourceLocation location = At(source, header);
        if (IsUnnamed(source))
        {
            throw Unsupported.Unnamed("enum", location);
        }
        // NOTE: CppSharp widens values to 64 bits without their sign; an enum of ours is 32 bits wide.
        IEnumerable<EnumMember> members = source.Items.Select(
            item => new EnumMember(item.OriginalName, unchecked((long)item.Value), At(item, header)));
        return new EnumDeclaration(source.OriginalName, [.. members], location);
    }

    private static Declaration ReadClass(Class source, string header)
    {
        SourceLocation location = At(source, header);
        if (source.IsUnion)
        {
            throw Unsupported.Union(source.OriginalName, location);
        }
        if (IsUnnamed(source))
        {
            throw Unsupported.Unnamed("struct", location);
        }
        if (source.IsIncomplete)
        {
            return new HandleDeclaration(source.OriginalName, location);
        }
        if (source.Classes.FirstOrDefault() is { } nested)
        {
            throw nested.IsUnion
                ? Unsupported.Union(nested.OriginalName, At(nested, header))
                : Unsupported.Declaration("nested struct", nested.OriginalName, At(nested, header));
        }
        return new StructDeclaration(source.OriginalName, [.. source.Fields.Select(f => ReadField(f, header))], location);
    }

    private static FieldDeclaration ReadField(Field source, string header)
    {
        SourceLocation location = At(source, header);
        return source.IsBitField
            ? throw Unsupported.BitField(source.OriginalName, location)
            : new FieldDeclaration(source.OriginalName, TypeReader.Read(source.QualifiedType, location), location);
    }

    private static FunctionDeclaration ReadFunction(Function source, string header)
    {
        SourceLocation location = At(source, header);
        if (source.IsVariadic)
        {
            throw Unsupported.Variadic(source.OriginalName, location);
        }
        if (source.BodyStmt is not null)
        {
            throw Unsupported.Body(source.OriginalName, location);
        }
        IEnumerable<Parameter> parameters = source.Parameters.Select(
            p => new Parameter(p.OriginalName, TypeReader.Read(p.QualifiedType, location)));
        return new FunctionDeclaration(source.OriginalName, TypeReader.Read(source.ReturnType, location), [.. parameters], location);
    }

    private static void CheckTypedef(TypedefNameDecl typedef, string header)
    {
        SourceLocation location = At(typedef, header);
        string name = typedef.OriginalName;
        if (typedef.Type is not TagType { Declaration: { } target } || target.OriginalName != name)
        {
            throw Unsupported.Typedef(name, TypeReader.Read(typedef.QualifiedType, location).ToString(), location);
        }
    }

    /// <summary>CppSharp lends an unnamed type its typedef's name; clang's identifier of the symbol still tells (SA, EA).</summary>
    private static bool IsUnnamed(DeclarationContext type) =>
        string.IsNullOrEmpty(type.OriginalName) ||
        type.USR.Contains("@SA@", StringComparison.Ordinal) || type.USR.Contains("@EA@", StringComparison.Ordinal);

    private static SourceLocation At(global::CppSharp.AST.Declaration declaration, string header) =>
        new(header, declaration.LineNumberStart);
}
