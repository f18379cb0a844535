using System.Globalization;
using System.Text.Json.Nodes;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace SgLang.Cli.Parsing;

/// <summary>
/// Flags from a YAML file: keys are flag names with dashes or underscores. True becomes a present switch, false and null an absent one, a list several
/// values, a mapping its JSON text.
/// </summary>
internal static class ConfigFile
{
    /// <summary>
    /// Replaces <c>--config FILE</c> by the file's flags, placed before the rest so that the command line wins.
    /// </summary>
    /// <exception cref="UsageException">Given twice, not readable, or not a mapping of flags.</exception>
    public static List<string> Expand(IReadOnlyList<string> arguments)
    {
        var rest = new List<string>();
        string? path = null;
        for (int i = 0; i < arguments.Count; i++)
        {
            string argument = arguments[i];
            string name = argument.Split('=', 2)[0];
            bool isAttached = name.Length < argument.Length;
            // Its unique prefixes too: the file must be read before other flags are looked at.
            if (name is not ("--config" or "--confi" or "--conf"))
            {
                rest.Add(argument);
                continue;
            }
            if (path is not null) throw new UsageException("--config may be given once");
            if (!isAttached && i + 1 == arguments.Count) throw new UsageException("--config needs a value: a .yaml or .yml file");
            path = isAttached ? argument[(name.Length + 1)..] : arguments[++i];
        }
        return path is null ? rest : [.. Read(path), .. rest];
    }

    private static List<string> Read(string path)
    {
        if (Path.GetExtension(path) is not (".yaml" or ".yml")) throw new UsageException($"--config: must be a .yaml or .yml file, got '{path}'");
        try
        {
            using StreamReader reader = File.OpenText(path);
            return ToArguments(reader, path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"--config: cannot read '{path}': {e.Message}");
        }
    }

    internal static List<string> ToArguments(TextReader yaml, string path)
    {
        try
        {
            var parser = new Parser(yaml);
            parser.Consume<StreamStart>();
            if (!parser.TryConsume<DocumentStart>(out _) || !parser.TryConsume<MappingStart>(out _)) throw new UsageException($"--config: '{path}' must be a mapping of flag names to values");
            var arguments = new List<string>();
            while (!parser.TryConsume<MappingEnd>(out _))
            {
                string name = "--" + parser.Consume<Scalar>().Value.Replace('_', '-');
                Append(arguments, name, parser, path);
            }
            return arguments;
        }
        catch (YamlException e)
        {
            throw new UsageException($"--config: '{path}' is not YAML: {e.Message} (line {e.Start.Line}, column {e.Start.Column})");
        }
    }

    private static void Append(List<string> arguments, string name, Parser parser, string path)
    {
        switch (parser.Current)
        {
            case Scalar:
                Scalar scalar = parser.Consume<Scalar>();
                if (IsPlain(scalar, "true")) arguments.Add(name);
                else if (!IsPlain(scalar, "false") && !IsNull(scalar)) arguments.Add($"{name}={scalar.Value}");
                break;
            case SequenceStart:
                parser.MoveNext();
                var values = new List<string>();
                while (!parser.TryConsume<SequenceEnd>(out _))
                    values.Add(parser.Current is Scalar ? parser.Consume<Scalar>().Value : ReadNode(parser, path)!.ToJsonString());
                if (values.Count == 0) break;
                arguments.Add(name);
                arguments.AddRange(values);
                break;
            case MappingStart:
                arguments.Add($"{name}={ReadNode(parser, path)!.ToJsonString()}");
                break;
            default:
                throw new UsageException($"--config: '{path}': the value of {name[2..]} must be a scalar, a list or a mapping");
        }
    }

    private static JsonNode? ReadNode(Parser parser, string path)
    {
        switch (parser.Current)
        {
            case Scalar:
                return ToJson(parser.Consume<Scalar>());
            case SequenceStart:
                parser.MoveNext();
                var list = new JsonArray();
                while (!parser.TryConsume<SequenceEnd>(out _)) list.Add(ReadNode(parser, path));
                return list;
            case MappingStart:
                parser.MoveNext();
                var map = new JsonObject();
                while (!parser.TryConsume<MappingEnd>(out _))
                {
                    string key = parser.Consume<Scalar>().Value;
                    map[key] = ReadNode(parser, path);
                }
                return map;
            default:
                throw new UsageException($"--config: '{path}' uses YAML beyond scalars, lists and mappings (an alias?)");
        }
    }

    private static JsonNode? ToJson(Scalar scalar)
    {
        if (IsNull(scalar)) return null;
        if (IsPlain(scalar, "true")) return true;
        if (IsPlain(scalar, "false")) return false;
        if (scalar.Style == ScalarStyle.Plain && long.TryParse(scalar.Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long integer)) return integer;
        if (scalar.Style == ScalarStyle.Plain && double.TryParse(scalar.Value, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && double.IsFinite(number)) return number;
        return scalar.Value;
    }

    private static bool IsPlain(Scalar scalar, string value) => scalar.Style == ScalarStyle.Plain && scalar.Value.Equals(value, StringComparison.OrdinalIgnoreCase);

    private static bool IsNull(Scalar scalar) => scalar.Style == ScalarStyle.Plain && scalar.Value is "" or "~" or "null" or "Null" or "NULL";
}
