namespace SgLang.Cli.Parsing;

internal enum FlagKind : byte
{
    /// <summary>Present or absent; takes no value.</summary>
    Switch,
    Text,
    Integer,
    Number,

    /// <summary>An integer that may carry k, M, G, T (decimal) or Ki, Mi, Gi, Ti (binary).</summary>
    TokenCount,
    JsonObject,
    TextList,
    IntegerList,
}

/// <summary>One flag of a command: its name, what it takes, and how far this program honours it.</summary>
/// <param name="Name">With its leading dashes.</param>
internal sealed record Flag(string Name, FlagKind Kind, string Help)
{
    public string[] Aliases { get; init; } = [];

    /// <summary>As one would type it; null means none, or derived at start.</summary>
    public string? Default { get; init; }

    /// <summary>Values allowed; empty means any of the kind.</summary>
    public string[] Choices { get; init; } = [];

    /// <summary>Smallest and largest number allowed, both included.</summary>
    public double Min { get; init; } = double.NegativeInfinity;
    public double Max { get; init; } = double.PositiveInfinity;

    /// <summary>Why only the default is accepted: any other value would change what the server does, and cannot be honoured.</summary>
    public string? OnlyDefault { get; init; }

    /// <summary>Why the flag is accepted and changes nothing.</summary>
    public string? NoEffect { get; init; }

    public bool IsList => Kind is FlagKind.TextList or FlagKind.IntegerList;

    /// <summary>"--mem-fraction-static" to "mem_fraction_static", as result files and /server_info spell it.</summary>
    public string FieldName => Name[2..].Replace('-', '_');

    public override string ToString() => Name;
}
