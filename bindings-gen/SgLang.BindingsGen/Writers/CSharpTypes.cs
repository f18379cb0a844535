using SgLang.BindingsGen.Model;

namespace SgLang.BindingsGen.Writers;

/// <summary>C types to the blittable C# types of the same size. A pointer to a handle's struct is the handle.</summary>
internal static class CSharpTypes
{
    public static string Of(CType type, HeaderModel model)
    {
        bool isHandle = type.IsPointer && model.FindType(type.Name) is HandleDeclaration;
        return Name(type.Name) + new string('*', isHandle ? type.PointerDepth - 1 : type.PointerDepth);
    }

    private static string Name(string cName) => cName switch
    {
        "void" => "void",
        // Text is UTF-8, so its unit is a byte.
        "char" => "byte",
        _ => ScalarTypes.Find(cName)?.CSharpName ?? Names.Pascal(cName),
    };
}
