namespace SgLang.Grammars.Json;

/// <summary>`format` of strings, each as a regular expression whose matches are valid by the format's own specification.</summary>
internal static class StringFormats
{
    private const string Octet = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    private const string Hex = "[0-9a-fA-F]";
    private const string Label = "[a-zA-Z0-9]([a-zA-Z0-9-]{0,20}[a-zA-Z0-9])?";

    // A day that every month has, or one that its month has; February keeps to 28.
    private const string MonthAndDay = "-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)";
    private const string Time = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9])";

    private static readonly Dictionary<string, string> s_patterns = new(StringComparer.Ordinal)
    {
        ["date"] = $"[1-9][0-9]{{3}}{MonthAndDay}",
        ["time"] = Time,
        ["date-time"] = $"[1-9][0-9]{{3}}{MonthAndDay}T{Time}",
        ["duration"] = "P((([0-9]{1,4}Y([0-9]{1,4}M([0-9]{1,4}D)?)?|[0-9]{1,4}M([0-9]{1,4}D)?|[0-9]{1,4}D)(T([0-9]{1,4}H([0-9]{1,4}M([0-9]{1,4}S)?)?|[0-9]{1,4}M([0-9]{1,4}S)?|[0-9]{1,4}S))?)"
            + "|T([0-9]{1,4}H([0-9]{1,4}M([0-9]{1,4}S)?)?|[0-9]{1,4}M([0-9]{1,4}S)?|[0-9]{1,4}S)|[0-9]{1,4}W)",
        ["email"] = $"[a-zA-Z0-9]([a-zA-Z0-9_+-]|\\.[a-zA-Z0-9]){{0,30}}@{Label}(\\.{Label}){{0,3}}\\.[a-zA-Z]{{2,10}}",
        ["hostname"] = $"{Label}(\\.{Label}){{0,4}}",
        ["ipv4"] = $"{Octet}(\\.{Octet}){{3}}",
        ["ipv6"] = $"{Hex}{{1,4}}(:{Hex}{{1,4}}){{7}}",
        ["uuid"] = $"{Hex}{{8}}-{Hex}{{4}}-{Hex}{{4}}-{Hex}{{4}}-{Hex}{{12}}",
        ["uri"] = $"https?://{Label}(\\.{Label}){{0,4}}(:[1-9][0-9]{{0,3}})?(/[a-zA-Z0-9_.~-]{{0,40}}){{0,8}}(\\?[a-zA-Z0-9_.~=&-]{{0,80}})?(#[a-zA-Z0-9_.~-]{{0,40}})?",
    };

    public static string Known => string.Join(", ", s_patterns.Keys.Order(StringComparer.Ordinal));

    public static string? PatternOf(string format) => s_patterns.GetValueOrDefault(format);
}
