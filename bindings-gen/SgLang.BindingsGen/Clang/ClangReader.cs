using System.Globalization;
using System.Text.Json;
using SgLang.BindingsGen.Model;

namespace SgLang.BindingsGen.Clang;

/// <summary>Fills the model from `clang -Xclang -ast-dump=json`.</summary>
internal sealed class ClangReader : IHeaderReader
{
    // Deeper than any header's tree; the reader's default of 64 is meant for untrusted input.
    private static readonly JsonDocumentOptions s_json = new() { MaxDepth = 1024 };

    public IEnumerable<Declaration> Read(string umbrellaHeader)
    {
        string clang = ClangExecutable.Find(Environment.GetEnvironmentVariable("PATH"));
        using JsonDocument tree = JsonDocument.Parse(ClangExecutable.DumpSyntaxTree(clang, umbrellaHeader), s_json);
        return Read(tree.RootElement, Path.GetDirectoryName(umbrellaHeader)!);
    }

    private static List<Declaration> Read(JsonElement translationUnit, string headerFolder)
    {
        var locations = new ClangLocations(translationUnit, headerFolder);
        var declarations = new List<Declaration>();
        var handles = new Dictionary<string, HandleDeclaration>(StringComparer.Ordinal);
        foreach (JsonElement node in Children(translationUnit))
        {
            if (IsImplicit(node) || locations.Find(node) is not { } location)
            {
                continue;
            }
            switch (Kind(node))
            {
                case "EnumDecl":
                    declarations.Add(ReadEnum(node, location, locations));
                    break;
                case "RecordDecl" when node.TryGetProperty("completeDefinition", out _):
                    declarations.Add(ReadStruct(node, location, locations));
                    break;
                case "RecordDecl":
                    RejectUnion(node, location);
                    handles.TryAdd(Name(node), new HandleDeclaration(Name(node), location));
                    break;
                case "FunctionDecl":
                    declarations.Add(ReadFunction(node, location));
                    break;
                case "TypedefDecl":
                    CheckTypedef(node, location);
                    break;
                default:
                    throw Unsupported.Declaration(Kind(node), Name(node), location);
            }
        }
        var defined = declarations.OfType<StructDeclaration>().Select(s => s.Name).ToHashSet(StringComparer.Ordinal);
        declarations.AddRange(handles.Values.Where(h => !defined.Contains(h.Name)));
        return declarations;
    }

    private static EnumDeclaration ReadEnum(JsonElement node, SourceLocation location, ClangLocations locations)
    {
        if (Name(node).Length == 0)
        {
            throw Unsupported.Unnamed("enum", location);
        }
        var members = new List<EnumMember>();
        long next = 0;
        foreach (JsonElement child in Children(node).Where(c => Kind(c) == "EnumConstantDecl"))
        {
            long value = ConstantValue(child) ?? next;
            members.Add(new EnumMember(Name(child), value, locations.Find(child) ?? location));
            next = value + 1;
        }
        return new EnumDeclaration(Name(node), members, location);
    }

    /// <summary>The folded value of the expression after `=`; null where there is none.</summary>
    private static long? ConstantValue(JsonElement node)
    {
        JsonElement? expression = Children(node).Where(c => Kind(c) == "ConstantExpr").Select(c => (JsonElement?)c).FirstOrDefault();
        return expression is { } found && found.TryGetProperty("value", out JsonElement value)
            ? long.Parse(value.GetString()!, CultureInfo.InvariantCulture)
            : null;
    }

    private static StructDeclaration ReadStruct(JsonElement node, SourceLocation location, ClangLocations locations)
    {
        RejectUnion(node, location);
        if (Name(node).Length == 0)
        {
            throw Unsupported.Unnamed("struct", location);
        }
        var fields = new List<FieldDeclaration>();
        foreach (JsonElement child in Children(node))
        {
            SourceLocation at = locations.Find(child) ?? location;
            switch (Kind(child))
            {
                case "FieldDecl" when child.TryGetProperty("isBitfield", out _):
                    throw Unsupported.BitField(Name(child), at);
                case "FieldDecl":
                    fields.Add(new FieldDeclaration(Name(child), CType.Parse(TypeOf(child), at), at));
                    break;
                case "RecordDecl":
                    RejectUnion(child, at);
                    throw Unsupported.Declaration("nested struct", Name(child), at);
                case "FullComment":
                    break;
                default:
                    throw Unsupported.Declaration(Kind(child), Name(child), at);
            }
        }
        return new StructDeclaration(Name(node), fields, location);
    }

    private static FunctionDeclaration ReadFunction(JsonElement node, SourceLocation location)
    {
        string name = Name(node);
        if (node.TryGetProperty("variadic", out _))
        {
            throw Unsupported.Variadic(name, location);
        }
        if (Children(node).Any(c => Kind(c) == "CompoundStmt"))
        {
            throw Unsupported.Body(name, location);
        }
        List<Parameter> parameters =
            [.. Children(node).Where(c => Kind(c) == "ParmVarDecl").Select(c => new Parameter(Name(c), CType.Parse(TypeOf(c), location)))];
        // The type of a function is spelled `result (parameters)`, unless its result is a function pointer: `result (*(parameters))(...)`.
        string type = TypeOf(node);
        int parenthesis = type.IndexOf('(', StringComparison.Ordinal);
        if (type.AsSpan(parenthesis).StartsWith("(*"))
        {
            throw Unsupported.Callback(type, location);
        }
        return new FunctionDeclaration(name, CType.Parse(type[..parenthesis], location), parameters, location);
    }

    private static void CheckTypedef(JsonElement node, SourceLocation location)
    {
        string target = TypeOf(node);
        if (target.Contains("(*)", StringComparison.Ordinal))
        {
            throw Unsupported.Callback(Name(node), location);
        }
        if (target != $"struct {Name(node)}" && target != $"enum {Name(node)}")
        {
            throw Unsupported.Typedef(Name(node), target, location);
        }
    }

    private static void RejectUnion(JsonElement node, SourceLocation location)
    {
        if (node.TryGetProperty("tagUsed", out JsonElement tag) && tag.GetString() == "union")
        {
            throw Unsupported.Union(Name(node), location);
        }
    }

    private static IEnumerable<JsonElement> Children(JsonElement node) =>
        node.TryGetProperty("inner", out JsonElement inner) ? inner.EnumerateArray() : [];

    private static bool IsImplicit(JsonElement node) => node.TryGetProperty("isImplicit", out JsonElement value) && value.GetBoolean();

    private static string Kind(JsonElement node) => node.TryGetProperty("kind", out JsonElement kind) ? kind.GetString()! : "";

    private static string Name(JsonElement node) => node.TryGetProperty("name", out JsonElement name) ? name.GetString()! : "";

    private static string TypeOf(JsonElement node) => node.GetProperty("type").GetProperty("qualType").GetString()!;
}
