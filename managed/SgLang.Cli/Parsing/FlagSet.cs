namespace SgLang.Cli.Parsing;

/// <summary>The flags of a command, found by name, alias or unique prefix.</summary>
internal sealed class FlagSet
{
    private readonly Dictionary<string, Flag> _byName = new(StringComparer.Ordinal);
    private readonly FlagSet? _own;

    public FlagSet(params IEnumerable<Flag> flags)
    {
        All = [.. flags];
        foreach (Flag flag in All)
        {
            _byName.Add(flag.Name, flag);
            foreach (string alias in flag.Aliases) _byName.Add(alias, flag);
        }
    }

    /// <summary>A tool's own flags before those it passes on: a prefix that fits one of its own is that one, whatever the others are called.</summary>
    public FlagSet(IReadOnlyList<Flag> own, FlagSet rest) : this([.. own, .. rest.All.Where(flag => !own.Any(mine => mine.Name == flag.Name))])
    {
        _own = new FlagSet(own);
    }

    public IReadOnlyList<Flag> All { get; }

    /// <summary>Arguments that are no flags are passed on after the flags; otherwise they are errors.</summary>
    public bool TakesOperands { get; init; }

    /// <summary>An exact name wins; otherwise the prefix must belong to one flag only (several names of that flag are no ambiguity).</summary>
    /// <exception cref="UsageException">Unknown or ambiguous.</exception>
    public Flag Resolve(string name)
    {
        if (_byName.TryGetValue(name, out Flag? exact)) return exact;
        string[] names = Matching(_own ?? this, name);
        if (names.Length == 0) names = Matching(this, name);
        Flag[] flags = [.. names.Select(known => _byName[known]).Distinct()];
        return flags.Length switch
        {
            1 when name.Length > 2 => flags[0],
            > 1 when name.Length > 2 => throw new UsageException($"ambiguous option: {name} could match {string.Join(", ", names)}"),
            _ => throw new UsageException($"unrecognized option: {name}{Suggestion(name)}"),
        };
    }

    /// <summary>
    /// Rewrites a command line so that every flag has its full name and appears once, the last mention winning: what the parser behind this
    /// then sees needs no knowledge of prefixes. One-valued flags become <c>--name=value</c>, so that values may begin with a dash.
    /// </summary>
    /// <exception cref="UsageException">An unknown flag, a value where none belongs, or none where one does.</exception>
    public List<string> Canonicalize(IReadOnlyList<string> arguments)
    {
        var given = new Dictionary<Flag, string[]>();
        var operands = new List<string>();
        for (int i = 0; i < arguments.Count; i++)
        {
            string argument = arguments[i];
            if (TakesOperands && !argument.StartsWith('-'))
            {
                operands.Add(argument);
                continue;
            }
            if (!argument.StartsWith("--", StringComparison.Ordinal) || argument.Length == 2)
                throw new UsageException($"unrecognized argument: {argument}");
            int equals = argument.IndexOf('=');
            Flag flag = Resolve(equals < 0 ? argument : argument[..equals]);
            string? attached = equals < 0 ? null : argument[(equals + 1)..];
            if (flag.Kind == FlagKind.Switch)
            {
                if (attached is not null) throw new UsageException($"{flag.Name} takes no value, got '{attached}'");
                given[flag] = [];
                continue;
            }
            var values = new List<string>();
            if (attached is not null) values.Add(attached);
            while ((flag.IsList ? attached is null : values.Count == 0) && i + 1 < arguments.Count && !LooksLikeFlag(arguments[i + 1])) values.Add(arguments[++i]);
            if (values.Count == 0) throw new UsageException($"{flag.Name} needs a value{Allowed(flag)}");
            given[flag] = [.. values];
        }
        var canonical = new List<string>();
        foreach (Flag flag in All)
        {
            if (!given.TryGetValue(flag, out string[]? values)) continue;
            if (flag.Kind == FlagKind.Switch) canonical.Add(flag.Name);
            else foreach (string value in values) canonical.Add($"{flag.Name}={value}");
        }
        canonical.AddRange(operands);
        return canonical;
    }

    private static string[] Matching(FlagSet set, string prefix) =>
        [.. set._byName.Keys.Where(known => known.StartsWith(prefix, StringComparison.Ordinal)).Order(StringComparer.Ordinal)];

    internal static string Allowed(Flag flag) => flag.Choices.Length > 0 ? $"; one of: {string.Join(", ", flag.Choices)}" : "";

    private static bool LooksLikeFlag(string argument) => argument.StartsWith("--", StringComparison.Ordinal) && argument.Length > 2;

    /// <summary>The nearest name, when it is near enough to be a slip of the finger.</summary>
    private string Suggestion(string name)
    {
        string? nearest = _byName.Keys.MinBy(known => Distance(known, name));
        return nearest is not null && Distance(nearest, name) <= Math.Max(2, name.Length / 5) ? $"; did you mean {nearest}?" : "";
    }

    private static int Distance(string a, string b)
    {
        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int above = row[j];
                row[j] = Math.Min(Math.Min(above, row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }
        return row[b.Length];
    }
}
