namespace SgLang.BindingsGen.Model;

/// <summary>A number of fixed width, which is also its alignment on every 64-bit ABI we build for.</summary>
internal sealed record ScalarType(string CName, string CSharpName, int Size);

internal static class ScalarTypes
{
    private static readonly ScalarType[] s_all =
    [
        new("int8_t", "sbyte", 1), new("uint8_t", "byte", 1), new("int16_t", "short", 2), new("uint16_t", "ushort", 2),
        new("int32_t", "int", 4), new("uint32_t", "uint", 4), new("int64_t", "long", 8), new("uint64_t", "ulong", 8),
        new("float", "float", 4), new("double", "double", 8),
    ];

    public static ScalarType? Find(string cName) => Array.Find(s_all, t => t.CName == cName);
}
