using System.Text.Json;
using System.Text.Json.Nodes;
using SgLang.Grammars.Regex;
using SgLang.Grammars.Syntax;

namespace SgLang.Grammars.Json;

internal sealed partial class JsonSchemaTranslator
{
    private const int MaxEnumerated = 4096;

    private Node StringNode(JsonObject schema, string path)
    {
        int? min = SchemaKeywords.Count(schema, "minLength", path);
        int? max = SchemaKeywords.Count(schema, "maxLength", path);
        if (max < min) throw new GrammarException($"{path}: maxLength {max} is less than minLength {min}");
        Node? content = null;
        if (SchemaKeywords.Text(schema, "pattern", path) is { } pattern) content = PatternNode(pattern, $"{path}.pattern");
        if (SchemaKeywords.Text(schema, "format", path) is { } format)
        {
            string known = StringFormats.PatternOf(format)
                ?? throw new GrammarException($"{path}.format \"{format}\" is not supported; supported: {StringFormats.Known}. Use pattern instead, or remove it");
            Node formatted = RegexParser.Parse(known);
            content = content is null ? formatted : new Node.Both(content, formatted);
        }
        bool isCounted = min > 0 || max is not null;
        if (content is null) return isCounted ? JsonPieces.Quoted(JsonPieces.CountedAnyChar(min ?? 0, max)) : _pieces.String;
        Node escaped = content is Node.Both both ? new Node.Both(JsonPieces.Escaped(both.Left), JsonPieces.Escaped(both.Right)) : JsonPieces.Escaped(content);
        if (isCounted) escaped = new Node.Both(escaped, new Node.Repeat(JsonPieces.CanonicalChar, min ?? 0, max));
        return JsonPieces.Quoted(escaped);
    }

    private static Node PatternNode(string pattern, string path)
    {
        try
        {
            return RegexParser.Parse(pattern);
        }
        catch (GrammarException e)
        {
            throw new GrammarException($"{path} \"{pattern}\": {e.Message}", e);
        }
    }

    private static Node NumberNode(JsonObject schema, string path)
    {
        (NumberRange.Bound? low, NumberRange.Bound? high) = Bounds(schema, path);
        int? fraction = null;
        if (schema["multipleOf"] is { } step)
        {
            decimal value = SchemaKeywords.Decimal(step, $"{path}.multipleOf");
            fraction = Enumerable.Range(0, 11).Where(digits => value == PowerOfTenth(digits)).Cast<int?>().FirstOrDefault()
                ?? throw new GrammarException($"{path}.multipleOf of a number must be 1, 0.1, 0.01 and so on, got {step.ToJsonString()}");
        }
        if (low is null && high is null && fraction is null) return JsonPieces.Number;
        return NumberRange.Decimals(low, high, fraction);

        static decimal PowerOfTenth(int digits) => new(1, 0, 0, false, (byte)digits);
    }

    private static Node IntegerNode(JsonObject schema, string path)
    {
        (NumberRange.Bound? low, NumberRange.Bound? high) = Bounds(schema, path);
        long? from = low is { } l ? Whole(l.IsExclusive ? decimal.Floor(l.Value) + 1 : decimal.Ceiling(l.Value)) : null;
        long? to = high is { } h ? Whole(h.IsExclusive ? decimal.Ceiling(h.Value) - 1 : decimal.Floor(h.Value)) : null;
        if (from > to) throw new GrammarException($"{path}: no integer lies between the bounds");
        if (schema["multipleOf"] is not { } step || SchemaKeywords.Decimal(step, $"{path}.multipleOf") is 1) return NumberRange.Integers(from, to);
        decimal factor = SchemaKeywords.Decimal(step, $"{path}.multipleOf");
        if (factor <= 0 || factor != decimal.Truncate(factor) || from is null || to is null || (to - from) / factor > MaxEnumerated)
            throw new GrammarException($"{path}.multipleOf of an integer must be whole, and minimum and maximum must leave at most {MaxEnumerated} multiples, got {step.ToJsonString()}");
        var values = new List<Node>();
        for (decimal value = decimal.Ceiling(from.Value / factor) * factor; value <= to; value += factor)
            values.Add(Node.Text(decimal.Truncate(value).ToString(System.Globalization.CultureInfo.InvariantCulture)));
        return values.Count > 0 ? Node.Any([.. values]) : throw new GrammarException($"{path}: no multiple of {step.ToJsonString()} lies between the bounds");

        long Whole(decimal value) => Math.Abs(value) < 1_000_000_000_000_000_000
            ? (long)value
            : throw new GrammarException($"{path}: the bounds of an integer must be below 10^18");
    }

    private static (NumberRange.Bound? Low, NumberRange.Bound? High) Bounds(JsonObject schema, string path)
    {
        NumberRange.Bound? low = Bound("minimum", "exclusiveMinimum", isLow: true);
        NumberRange.Bound? high = Bound("maximum", "exclusiveMaximum", isLow: false);
        if (low is { } l && high is { } h && (l.Value > h.Value || (l.Value == h.Value && (l.IsExclusive || h.IsExclusive))))
            throw new GrammarException($"{path}: no number lies between the bounds");
        return (low, high);

        NumberRange.Bound? Bound(string inclusive, string exclusive, bool isLow)
        {
            NumberRange.Bound? bound = schema[inclusive] is { } node ? Checked(node, inclusive, false) : null;
            if (schema[exclusive] is not { } other) return bound;
            // Draft 4 has a flag beside the inclusive bound, later drafts a bound of its own.
            if (other.GetValueKind() is JsonValueKind.True or JsonValueKind.False)
                return bound is { } flagged ? flagged with { IsExclusive = other.GetValueKind() == JsonValueKind.True } : null;
            NumberRange.Bound strict = Checked(other, exclusive, true);
            if (bound is not { } plain) return strict;
            return (isLow ? strict.Value >= plain.Value : strict.Value <= plain.Value) ? strict : plain;
        }

        NumberRange.Bound Checked(JsonNode node, string key, bool isExclusive)
        {
            decimal value = SchemaKeywords.Decimal(node, $"{path}.{key}");
            return Math.Abs(value) < 1_000_000_000_000_000_000
                ? new NumberRange.Bound(value, isExclusive)
                : throw new GrammarException($"{path}.{key} must be below 10^18, got {node.ToJsonString()}");
        }
    }
}
