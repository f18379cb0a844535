using System.Numerics;

namespace SgLang.Tokenization.Jinja;

/// <summary>What may stand after "is", and as the test of select and its like.</summary>
internal static class Tests
{
    public static bool Run(string name, object? value, Arguments arguments)
    {
        switch (name)
        {
            case "defined":
                return value is not Undefined;
            case "undefined":
                return value is Undefined;
            case "none":
                return value is null;
            case "boolean":
                return value is bool;
            case "true":
                return value is true;
            case "false":
                return value is false;
            case "integer":
                return value is long or BigInteger;
            case "float":
                return value is double;
            case "number":
                return Operations.IsNumber(value);
            case "string":
                return value is string;
            case "mapping":
                return value is DictValue;
            case "iterable":
                return Sequences.IsIterable(value);
            case "sequence":
                return value is string or List<object?> or DictValue or Undefined;
            case "callable":
                return value is FunctionValue;
            case "lower":
                return Text.Of(value) is var lower && lower == lower.ToLowerInvariant() && lower.Any(char.IsLetter);
            case "upper":
                return Text.Of(value) is var upper && upper == upper.ToUpperInvariant() && upper.Any(char.IsLetter);
            case "even":
                return Operations.AreEqual(Operations.Binary("%", value, 2L), 0L);
            case "odd":
                return Operations.AreEqual(Operations.Binary("%", value, 2L), 1L);
            case "divisibleby":
                return Operations.AreEqual(Operations.Binary("%", value, arguments.Required(0, "num")), 0L);
            case "in":
                return Operations.Contains(arguments.Required(0, "seq"), value);
            case "sameas":
                return IsSame(value, arguments.Required(0, "other"));
            case "filter":
                return value is string filter && Filters.Exists(filter);
            case "test":
                return value is string test && Exists(test);
            case "eq" or "equalto" or "==":
                return Operations.AreEqual(value, arguments.Required(0, "other"));
            case "ne" or "!=":
                return !Operations.AreEqual(value, arguments.Required(0, "other"));
            case "lt" or "lessthan" or "<":
                return Operations.Compare(value, arguments.Required(0, "other")) < 0;
            case "le" or "<=":
                return Operations.Compare(value, arguments.Required(0, "other")) <= 0;
            case "gt" or "greaterthan" or ">":
                return Operations.Compare(value, arguments.Required(0, "other")) > 0;
            case "ge" or ">=":
                return Operations.Compare(value, arguments.Required(0, "other")) >= 0;
            default:
                throw new TemplateError($"there is no test named '{name}'");
        }
    }

    private static bool Exists(string name)
    {
        var arguments = new Arguments();
        arguments.Positional.Add("1");
        try
        {
            Run(name, "1", arguments);
            return true;
        }
        catch (TemplateError e)
        {
            return !e.Message.StartsWith("there is no test", StringComparison.Ordinal);
        }
    }

    private static bool IsSame(object? a, object? b) => (a, b) switch
    {
        (null, null) => true,
        (bool x, bool y) => x == y,
        (long x, long y) => x == y,
        (string x, string y) => x == y,
        _ => ReferenceEquals(a, b),
    };
}
