using System.Globalization;

namespace SgLang.BindingsGen.Model;

/// <summary>
/// A C type as a header spells it: a name, whether what is pointed to is const, how many stars, and the length of a fixed
/// array (0 for none). `const sgl_tensor*` is ("sgl_tensor", const, 1, 0); `int64_t shape[4]` is ("int64_t", 4).
/// </summary>
internal sealed record CType(string Name, bool IsConst = false, int PointerDepth = 0, int ArrayLength = 0)
{
    public static readonly CType Void = new("void");

    public bool IsPointer => PointerDepth > 0;

    public bool IsArray => ArrayLength > 0;

    public bool IsVoid => Name == "void" && !IsPointer;

    public CType Element => this with { ArrayLength = 0 };

    public override string ToString() =>
        (IsConst ? "const " : "") + Name + new string('*', PointerDepth) +
        (IsArray ? string.Create(CultureInfo.InvariantCulture, $"[{ArrayLength}]") : "");

    /// <summary>Reads clang's spelling of a type, such as `const sgl_tensor *` or `int64_t[4]`.</summary>
    public static CType Parse(string spelling, SourceLocation location)
    {
        if (spelling.Contains('('))
        {
            throw Unsupported.Callback(spelling, location);
        }
        string rest = spelling;
        int arrayLength = 0;
        if (rest.IndexOf('[', StringComparison.Ordinal) is var bracket and >= 0)
        {
            string length = rest[(bracket + 1)..].TrimEnd(']');
            if (!int.TryParse(length, NumberStyles.None, CultureInfo.InvariantCulture, out arrayLength) || arrayLength == 0)
            {
                throw Unsupported.Type(spelling, "an array has one dimension of a fixed length above 0", location);
            }
            rest = rest[..bracket];
        }
        int depth = rest.Count(c => c == '*');
        string pointee = rest.Split('*')[0];
        if (rest[pointee.Length..].Any(c => c is not ('*' or ' ')))
        {
            throw Unsupported.Type(spelling, "only what is pointed to may be const", location);
        }
        string[] words = pointee.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        bool isConst = words.Contains("const");
        string name = string.Join(' ', words.Where(w => w is not ("const" or "struct" or "enum")));
        return new CType(name, isConst && depth > 0, depth, arrayLength);
    }
}
