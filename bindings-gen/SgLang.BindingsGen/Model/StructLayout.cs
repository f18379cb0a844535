namespace SgLang.BindingsGen.Model;

internal readonly record struct FieldLayout(FieldDeclaration Field, int Offset, int Size);

/// <summary>
/// Sizes and offsets by the rules of C on 64-bit targets: each field at the next multiple of its alignment, the whole
/// padded to the largest. The library's static asserts hold the compiler to the same numbers.
/// </summary>
internal sealed record StructLayout(IReadOnlyList<FieldLayout> Fields, int Size, int Alignment)
{
    private const int PointerSize = 8;
    private const int EnumSize = 4;

    public static StructLayout Of(StructDeclaration declaration, HeaderModel model)
    {
        var fields = new List<FieldLayout>();
        int offset = 0;
        int alignment = 1;
        foreach (FieldDeclaration field in declaration.Fields)
        {
            (int size, int fieldAlignment) = Measure(field.Type.Element, model);
            size *= Math.Max(1, field.Type.ArrayLength);
            offset = AlignUp(offset, fieldAlignment);
            fields.Add(new FieldLayout(field, offset, size));
            offset += size;
            alignment = Math.Max(alignment, fieldAlignment);
        }
        return new StructLayout(fields, AlignUp(offset, alignment), alignment);
    }

    private static (int Size, int Alignment) Measure(CType type, HeaderModel model)
    {
        if (type.IsPointer)
        {
            return (PointerSize, PointerSize);
        }
        if (type.Name == "char")
        {
            return (1, 1);
        }
        if (ScalarTypes.Find(type.Name) is { } scalar)
        {
            return (scalar.Size, scalar.Size);
        }
        if (model.FindType(type.Name) is StructDeclaration nested)
        {
            StructLayout layout = Of(nested, model);
            return (layout.Size, layout.Alignment);
        }
        return (EnumSize, EnumSize);
    }

    private static int AlignUp(int value, int alignment) => (value + alignment - 1) / alignment * alignment;
}
