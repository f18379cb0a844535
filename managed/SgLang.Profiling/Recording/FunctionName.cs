namespace SgLang.Profiling;

/// <summary>A method as its author would call it. What the compiler makes of lambdas, local functions, iterators and async methods is undone.</summary>
internal static class FunctionName
{
    /// <param name="type">Full name, nested types behind a plus.</param>
    public static string Of(string type, string method)
    {
        // Generic arguments follow in brackets.
        int arguments = type.IndexOf('[', StringComparison.Ordinal);
        if (arguments > 0) type = type[..arguments];
        string owner = "";
        string? inner = null;
        foreach (string part in type.Split('+'))
        {
            // "<Method>d__5" is the state machine of Method; "<>c" and "<>c__DisplayClass0_0" hold lambdas.
            if (part.StartsWith('<')) inner = Between(part) is { Length: > 0 } outer ? outer : inner;
            else owner = owner.Length == 0 ? part : $"{owner}.{part}";
        }
        if (inner is not null && method == "MoveNext") return $"{owner}.{inner}";
        if (!method.StartsWith('<')) return inner is null ? $"{owner}.{method}" : $"{owner}.{inner}.{method}";
        // "<Method>g__Local|0_1" is a local function, "<Method>b__0" a lambda.
        int end = method.LastIndexOf('>');
        string caller = method[1..end].Replace("<", "", StringComparison.Ordinal).Replace(">", "", StringComparison.Ordinal), rest = method[(end + 1)..];
        int bar = rest.IndexOf('|', StringComparison.Ordinal);
        return rest.StartsWith("g__", StringComparison.Ordinal) && bar > 3 ? $"{owner}.{caller}.{rest[3..bar]}" : $"{owner}.{caller}.lambda";
    }

    private static string Between(string part)
    {
        int end = part.LastIndexOf('>');
        return end > 1 ? part[1..end] : "";
    }
}
