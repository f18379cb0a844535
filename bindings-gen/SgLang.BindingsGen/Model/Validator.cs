namespace SgLang.BindingsGen.Model;

/// <summary>Accepts a model only when every type in it has one size and one meaning on both sides of the boundary.</summary>
internal static class Validator
{
    private static readonly Dictionary<string, string> s_advice = new(StringComparer.Ordinal)
    {
        ["bool"] = "use int32_t, 0 or 1",
        ["_Bool"] = "use int32_t, 0 or 1",
        ["char"] = "a single char has no fixed sign: use uint8_t, or const char* for text",
        ["signed char"] = "use int8_t",
        ["unsigned char"] = "use uint8_t",
        ["short"] = "use int16_t",
        ["unsigned short"] = "use uint16_t",
        ["int"] = "use int32_t",
        ["unsigned int"] = "use uint32_t",
        ["long"] = "its size differs between platforms: use int64_t",
        ["unsigned long"] = "its size differs between platforms: use uint64_t",
        ["long long"] = "use int64_t",
        ["unsigned long long"] = "use uint64_t",
        ["size_t"] = "its size differs between platforms: use uint64_t",
        ["intptr_t"] = "use int64_t, or a pointer",
        ["uintptr_t"] = "use uint64_t, or a pointer",
        ["long double"] = "its size differs between compilers: use double",
    };

    public static void Check(HeaderModel model)
    {
        foreach (Declaration declaration in model.Declarations)
        {
            CheckPrefix(declaration, "sgl_");
        }
        foreach (EnumDeclaration declaration in model.Enums)
        {
            CheckEnum(declaration);
        }
        foreach (StructDeclaration declaration in model.Structs)
        {
            CheckStruct(model, declaration);
        }
        foreach (FunctionDeclaration function in model.Functions)
        {
            CheckFunction(model, function);
        }
    }

    /// <summary>The export map exports `sgl_*` only, and C has no namespaces.</summary>
    private static void CheckPrefix(Declaration declaration, string prefix)
    {
        if (!declaration.Name.StartsWith(prefix, StringComparison.Ordinal))
        {
            throw BindingsException.At(declaration.Location, $"'{declaration.Name}' must begin with {prefix}");
        }
    }

    private static void CheckEnum(EnumDeclaration declaration)
    {
        foreach (EnumMember each in declaration.Members)
        {
            CheckPrefix(each, "SGL_");
        }
        if (declaration.Members.FirstOrDefault(m => m.Value is < int.MinValue or > int.MaxValue) is { } member)
        {
            throw BindingsException.At(member.Location, $"'{member.Name}' = {member.Value} does not fit in 32 bits");
        }
    }

    private static void CheckStruct(HeaderModel model, StructDeclaration declaration)
    {
        if (declaration.Fields.Count == 0)
        {
            throw BindingsException.At(
                declaration.Location, $"struct '{declaration.Name}' is empty: C and C++ disagree on its size; leave it undefined for a handle");
        }
        foreach (FieldDeclaration field in declaration.Fields)
        {
            CType type = field.Type;
            if (type.IsArray && (type.IsPointer || model.FindType(type.Name) is not null))
            {
                throw Unsupported.Type(type.ToString(), "arrays in structs are of numbers or char", field.Location);
            }
            bool isText = type is { Name: "char", IsArray: true };
            CheckType(model, isText ? type with { Name = "uint8_t" } : type, field.Location);
            if (type.IsVoid)
            {
                throw Unsupported.Type("void", "a field holds something", field.Location);
            }
        }
    }

    private static void CheckFunction(HeaderModel model, FunctionDeclaration function)
    {
        CheckType(model, function.ReturnType, function.Location);
        RejectByValue(model, function.ReturnType, function.Location);
        foreach (Parameter parameter in function.Parameters)
        {
            if (parameter.Name.Length == 0)
            {
                throw BindingsException.At(function.Location, $"a parameter of '{function.Name}' has no name");
            }
            CheckType(model, parameter.Type, function.Location);
            RejectByValue(model, parameter.Type, function.Location);
        }
    }

    private static void RejectByValue(HeaderModel model, CType type, SourceLocation location)
    {
        if (!type.IsPointer && model.FindType(type.Name) is StructDeclaration)
        {
            throw Unsupported.Type(type.ToString(), $"structs cross the ABI by pointer: use const {type.Name}*", location);
        }
    }

    private static void CheckType(HeaderModel model, CType type, SourceLocation location)
    {
        if (type.PointerDepth > 2)
        {
            throw Unsupported.Type(type.ToString(), "at most two stars", location);
        }
        if (type.Name == "void" || ScalarTypes.Find(type.Name) is not null || (type.Name == "char" && type.IsPointer))
        {
            return;
        }
        if (s_advice.TryGetValue(type.Name, out string? advice))
        {
            throw Unsupported.Type(type.ToString(), advice, location);
        }
        switch (model.FindType(type.Name))
        {
            case null:
                throw Unsupported.Type(
                    type.ToString(), "it is neither a fixed-width type nor an enum, struct or handle of these headers", location);
            case HandleDeclaration when !type.IsPointer:
                throw Unsupported.Type(type.ToString(), $"'{type.Name}' is never defined: pass a pointer to it", location);
        }
    }
}
