using System.Globalization;
using System.Text;

namespace SgLang.BindingsGen.Model;

/// <summary>
/// 64-bit FNV-1a over a canonical text of all declarations. Comments, order and the header a declaration lives in do not
/// matter; names do, because swapping two parameters of one type changes what a call means.
/// </summary>
internal static class AbiHash
{
    private const ulong OffsetBasis = 0xcbf29ce484222325;
    private const ulong Prime = 0x100000001b3;

    public static ulong Of(HeaderModel model) => Fnv1a(CanonicalText(model));

    public static ulong Fnv1a(string text)
    {
        ulong hash = OffsetBasis;
        foreach (byte b in Encoding.UTF8.GetBytes(text))
        {
            hash = (hash ^ b) * Prime;
        }
        return hash;
    }

    public static string CanonicalText(HeaderModel model)
    {
        IEnumerable<string> lines = model.Declarations.Select(d => Describe(d, model)).Order(StringComparer.Ordinal);
        return string.Join('\n', lines) + "\n";
    }

    private static string Describe(Declaration declaration, HeaderModel model) => declaration switch
    {
        EnumDeclaration e => $"enum {e.Name} {Join(e.Members, m => Invariant($"{m.Name}={m.Value}"))}",
        HandleDeclaration h => $"handle {h.Name}",
        FunctionDeclaration f => $"function {f.ReturnType} {f.Name}({Join(f.Parameters, p => $"{p.Type} {p.Name}")})",
        StructDeclaration s => DescribeStruct(s, StructLayout.Of(s, model)),
        _ => throw new InvalidOperationException($"no canonical text for {declaration.GetType().Name}"),
    };

    private static string DescribeStruct(StructDeclaration declaration, StructLayout layout)
    {
        string fields = Join(layout.Fields, f => Invariant($"{f.Field.Type} {f.Field.Name}@{f.Offset}"));
        return Invariant($"struct {declaration.Name} size={layout.Size} align={layout.Alignment} {fields}");
    }

    private static string Join<T>(IEnumerable<T> items, Func<T, string> text) => string.Join(", ", items.Select(text));

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
