using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace SgLang.Cli.Parsing;

/// <summary>What was given on a command line, checked against each flag's kind, choices and range.</summary>
internal sealed class FlagValues
{
    private readonly Dictionary<string, Flag> _flags;
    private readonly Dictionary<string, string[]> _given;

    /// <param name="given">Flag name to values; a switch has none.</param>
    /// <exception cref="UsageException">A value of the wrong kind or out of range, or one that cannot be honoured.</exception>
    public FlagValues(FlagSet set, IReadOnlyDictionary<string, string[]> given)
    {
        _flags = set.All.ToDictionary(flag => flag.Name, StringComparer.Ordinal);
        _given = new Dictionary<string, string[]>(given, StringComparer.Ordinal);
        foreach ((string name, string[] values) in given) Check(_flags[name], values);
    }

    /// <summary>From the parser's result over <see cref="Bind"/>'s options.</summary>
    public static FlagValues From(ParseResult result, FlagSet set, IReadOnlyDictionary<string, Option> options)
    {
        var given = new Dictionary<string, string[]>(StringComparer.Ordinal);
        foreach (Flag flag in set.All)
        {
            if (result.GetResult(options[flag.Name]) is not { Implicit: false }) continue;
            given.Add(flag.Name, options[flag.Name] is Option<string[]> values ? Values(result.GetValue(values)) : []);
        }
        return new FlagValues(set, given);

        // The parser drops the empty value of `--flag=`; a flag without any was refused before it (FlagSet.Canonicalize).
        static string[] Values(string[]? parsed) => parsed is { Length: > 0 } ? parsed : [""];
    }

    /// <summary>Adds an option to the command for each flag.</summary>
    public static Dictionary<string, Option> Bind(Command command, FlagSet set)
    {
        var options = new Dictionary<string, Option>(StringComparer.Ordinal);
        foreach (Flag flag in set.All)
        {
            string help = flag.Help
                + (flag.Choices.Length > 0 ? $" One of: {string.Join(", ", flag.Choices)}." : "")
                + (flag.Default is not null ? $" [default: {flag.Default}]" : "")
                + (flag.NoEffect is not null ? $" Accepted; no effect: {flag.NoEffect}." : "")
                + (flag.OnlyDefault is not null ? $" Only the default is supported: {flag.OnlyDefault}." : "");
            Option option = flag.Kind == FlagKind.Switch
                ? new Option<bool>(flag.Name, flag.Aliases) { Description = help }
                : new Option<string[]>(flag.Name, flag.Aliases) { Description = help, HelpName = HelpName(flag), Arity = ArgumentArity.ZeroOrMore };
            options.Add(flag.Name, option);
            command.Add(option);
        }
        return options;
    }

    public bool IsGiven(string name) => _given.ContainsKey(name);

    public bool Switch(string name) => _given.ContainsKey(name);

    public string? Text(string name) => _given.TryGetValue(name, out string[]? values) ? values[^1] : _flags[name].Default;

    public int? Integer(string name) => Text(name) is { } text ? (int)ParseNumber(_flags[name], text) : null;

    public long? Long(string name) => Text(name) is { } text ? (long)ParseNumber(_flags[name], text) : null;

    public double? Number(string name) => Text(name) is { } text ? ParseNumber(_flags[name], text) : null;

    public string[] List(string name) => _given.TryGetValue(name, out string[]? values) ? values : [];

    /// <summary>The numbers of a list flag; its default where none was given.</summary>
    public int[] Integers(string name) => [.. (_given.TryGetValue(name, out string[]? values) ? values : _flags[name].Default?.Split(' ') ?? []).Select(value => (int)ParseNumber(_flags[name], value))];

    /// <summary>Flags given that change nothing, with the reason.</summary>
    public IEnumerable<(string Name, string Reason)> WithoutEffect() =>
        _given.Keys.Select(name => _flags[name]).Where(flag => flag.NoEffect is not null).Select(flag => (flag.Name, flag.NoEffect!));

    /// <summary>What was given of another command's flags, as that command would be given it.</summary>
    public List<string> ToArguments(FlagSet other)
    {
        var arguments = new List<string>();
        foreach (Flag flag in other.All)
        {
            if (!_given.TryGetValue(flag.Name, out string[]? values) || _flags[flag.Name] != flag) continue;
            if (flag.Kind == FlagKind.Switch) arguments.Add(flag.Name);
            else if (flag.IsList) arguments.AddRange([flag.Name, .. values]);
            else arguments.Add($"{flag.Name}={values[^1]}");
        }
        return arguments;
    }

    /// <summary>All flags by field name, with defaults where nothing was given.</summary>
    public JsonObject ToJson()
    {
        var json = new JsonObject();
        foreach (Flag flag in _flags.Values) json[flag.FieldName] = ToJson(flag);
        return json;
    }

    private JsonNode? ToJson(Flag flag) => flag.Kind switch
    {
        FlagKind.Switch => Switch(flag.Name),
        FlagKind.TextList => IsGiven(flag.Name) ? new JsonArray([.. List(flag.Name).Select(value => (JsonNode)value)]) : null,
        FlagKind.IntegerList => IsGiven(flag.Name) || flag.Default is not null ? new JsonArray([.. Integers(flag.Name).Select(value => (JsonNode)value)]) : null,
        FlagKind.Integer or FlagKind.TokenCount => Long(flag.Name),
        FlagKind.Number => Number(flag.Name),
        _ => Text(flag.Name),
    };

    private static void Check(Flag flag, string[] values)
    {
        foreach (string value in values)
        {
            switch (flag.Kind)
            {
                case FlagKind.Integer or FlagKind.IntegerList or FlagKind.Number or FlagKind.TokenCount:
                    double number = ParseNumber(flag, value);
                    if (!(number >= flag.Min && number <= flag.Max)) throw Wrong(flag, value, Range(flag));
                    break;
                case FlagKind.JsonObject:
                    CheckJson(flag, value);
                    break;
            }
            if (flag.Choices.Length > 0 && !flag.Choices.Contains(value)) throw Wrong(flag, value, $"must be one of: {string.Join(", ", flag.Choices)}");
        }
        if (flag.OnlyDefault is null) return;
        bool isDefault = flag.Kind != FlagKind.Switch && flag.Default is not null && values.Length > 0 && Array.TrueForAll(values, value => SameValue(flag, value));
        if (isDefault) return;
        string use = flag.Kind == FlagKind.Switch || flag.Default is null ? "leave it out" : $"leave it out or use {flag.Default}";
        throw new UsageException($"{flag.Name}{(values.Length > 0 ? $" {string.Join(' ', values)}" : "")} is not supported: {flag.OnlyDefault}; {use}");
    }

    private static bool SameValue(Flag flag, string value) => flag.Kind is FlagKind.Integer or FlagKind.Number or FlagKind.TokenCount
        ? ParseNumber(flag, value) == ParseNumber(flag, flag.Default!)
        : value == flag.Default;

    private static double ParseNumber(Flag flag, string text)
    {
        switch (flag.Kind)
        {
            case FlagKind.TokenCount:
                return TokenCountText.TryParse(text, out long tokens) ? tokens : throw Wrong(flag, text, "must be an integer, or a number with one of k M G T, or an integer with one of Ki Mi Gi Ti");
            case FlagKind.Number:
                return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && double.IsFinite(number) ? number : throw Wrong(flag, text, "must be a number");
            default:
                return long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long integer) ? integer : throw Wrong(flag, text, "must be an integer");
        }
    }

    private static void CheckJson(Flag flag, string text)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            if (document.RootElement.ValueKind != JsonValueKind.Object) throw Wrong(flag, text, "must be a JSON object");
        }
        catch (JsonException)
        {
            throw Wrong(flag, text, "must be a JSON object");
        }
    }

    private static string Range(Flag flag) => (flag.Min, flag.Max) switch
    {
        (_, double.PositiveInfinity) => $"must be at least {Show(flag.Min)}",
        (double.NegativeInfinity, _) => $"must be at most {Show(flag.Max)}",
        _ => $"must be in [{Show(flag.Min)}, {Show(flag.Max)}]",
    };

    private static string Show(double value) => value.ToString("R", CultureInfo.InvariantCulture);

    private static UsageException Wrong(Flag flag, string value, string rule) => new($"{flag.Name}: {rule}, got '{value}'");

    private static string HelpName(Flag flag) => flag.Kind switch
    {
        FlagKind.Integer => "N",
        FlagKind.Number => "X",
        FlagKind.TokenCount => "TOKENS",
        FlagKind.JsonObject => "JSON",
        FlagKind.IntegerList => "N ...",
        FlagKind.TextList => "TEXT ...",
        _ => "TEXT",
    };
}
