using CppSharp.AST;
using SgLang.BindingsGen.Model;
using SourceLocation = SgLang.BindingsGen.Model.SourceLocation;
using Type = CppSharp.AST.Type;

namespace SgLang.BindingsGen.CppSharp;

/// <summary>CppSharp's tree of types to the flat type of our model, keeping the names the header used.</summary>
internal static class TypeReader
{
    public static CType Read(QualifiedType type, SourceLocation location) => type.Type switch
    {
        ArrayType array => ReadArray(array, location),
        DecayedType decayed => Read(decayed.Decayed, location),
        AttributedType attributed => Read(attributed.Modified, location),
        PointerType { Modifier: PointerType.TypeModifier.Pointer } pointer => ReadPointer(pointer, location),
        TypedefType typedef => new CType(typedef.Declaration.OriginalName),
        TagType tag => new CType(tag.Declaration.OriginalName),
        BuiltinType builtin => new CType(Spelling(builtin.Type)),
        FunctionType function => throw Unsupported.Callback(function.ToString(), location),
        { } other => throw Unsupported.Type(other.GetType().Name, "plain C only", location),
        null => throw Unsupported.Type("<none>", "plain C only", location),
    };

    private static CType ReadArray(ArrayType array, SourceLocation location)
    {
        CType element = Read(array.QualifiedType, location);
        return array.SizeType == ArrayType.ArraySize.Constant && array.Size is > 0 and <= int.MaxValue && !element.IsArray
            ? element with { ArrayLength = (int)array.Size }
            : throw Unsupported.Type($"{element}[]", "an array has one dimension of a fixed length above 0", location);
    }

    private static CType ReadPointer(PointerType pointer, SourceLocation location)
    {
        QualifiedType pointee = pointer.QualifiedPointee;
        CType inner = Read(pointee, location);
        if (pointee.Qualifiers.IsConst && inner.IsPointer)
        {
            throw Unsupported.Type($"{inner} const*", "only what is pointed to may be const", location);
        }
        return inner with { IsConst = inner.IsConst || pointee.Qualifiers.IsConst, PointerDepth = inner.PointerDepth + 1 };
    }

    /// <summary>As C spells it, so that the validator's advice applies to both readers.</summary>
    private static string Spelling(PrimitiveType type) => type switch
    {
        PrimitiveType.Void => "void",
        PrimitiveType.Bool => "_Bool",
        PrimitiveType.Char => "char",
        PrimitiveType.SChar => "signed char",
        PrimitiveType.UChar => "unsigned char",
        PrimitiveType.Short => "short",
        PrimitiveType.UShort => "unsigned short",
        PrimitiveType.Int => "int",
        PrimitiveType.UInt => "unsigned int",
        PrimitiveType.Long => "long",
        PrimitiveType.ULong => "unsigned long",
        PrimitiveType.LongLong => "long long",
        PrimitiveType.ULongLong => "unsigned long long",
        PrimitiveType.Float => "float",
        PrimitiveType.Double => "double",
        PrimitiveType.LongDouble => "long double",
        _ => type.ToString(),
    };
}
