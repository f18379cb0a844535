using System.Globalization;

namespace SgLang.Cli.Parsing;

/// <summary>Numbers of tokens: 8192, 8k (8000), 1.5M (1500000), 8Ki (8192). Suffixes are case-sensitive.</summary>
internal static class TokenCountText
{
    private static readonly (string Suffix, long Factor)[] s_binary = [("Ki", 1L << 10), ("Mi", 1L << 20), ("Gi", 1L << 30), ("Ti", 1L << 40)];
    private static readonly (string Suffix, long Factor)[] s_decimal = [("k", 1_000), ("M", 1_000_000), ("G", 1_000_000_000), ("T", 1_000_000_000_000)];

    public static bool TryParse(string text, out long tokens)
    {
        foreach ((string suffix, long factor) in s_binary)
            if (text.EndsWith(suffix, StringComparison.Ordinal)) return TryScale(text[..^suffix.Length], NumberStyles.AllowLeadingSign, factor, out tokens);
        foreach ((string suffix, long factor) in s_decimal)
        {
            // Decimals are allowed here and the product is truncated: 1.5k is 1500.
            if (text.EndsWith(suffix, StringComparison.Ordinal))
                return TryScale(text[..^suffix.Length], NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint, factor, out tokens);
        }
        return TryScale(text, NumberStyles.AllowLeadingSign, 1, out tokens);
    }

    private static bool TryScale(string digits, NumberStyles style, long factor, out long tokens)
    {
        tokens = 0;
        if (!decimal.TryParse(digits, style, CultureInfo.InvariantCulture, out decimal number)) return false;
        if (Math.Abs(number) > long.MaxValue / factor) return false;
        tokens = (long)decimal.Truncate(number * factor);
        return true;
    }
}
