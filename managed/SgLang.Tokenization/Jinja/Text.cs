using System.Globalization;
using System.Numerics;
using System.Text;

namespace SgLang.Tokenization.Jinja;

/// <summary>Python's str(), repr() and json.dumps() of template values.</summary>
internal static class Text
{
    public static string Of(object? value) => value switch
    {
        string text => text,
        Undefined => "",
        _ => Repr(value),
    };

    public static string Repr(object? value)
    {
        var result = new StringBuilder();
        AppendRepr(result, value, 0);
        return result.ToString();
    }

    private static void AppendRepr(StringBuilder result, object? value, int depth)
    {
        CheckDepth(depth);
        switch (value)
        {
            case null:
                result.Append("None");
                break;
            case bool flag:
                result.Append(flag ? "True" : "False");
                break;
            case string text:
                AppendQuoted(result, text);
                break;
            case long or BigInteger:
                result.Append(CultureInfo.InvariantCulture, $"{value}");
                break;
            case double number:
                result.Append(Float(number, "inf", "nan"));
                break;
            case List<object?> list:
                bool isTuple = list is TupleValue;
                AppendJoined(result, isTuple ? "(" : "[", list, isTuple ? list.Count == 1 ? ",)" : ")" : "]", item => AppendRepr(result, item, depth + 1));
                break;
            case DictValue dict:
                AppendJoined(result, "{", dict.Items, "}", item =>
                {
                    AppendRepr(result, item.Key, depth + 1);
                    result.Append(": ");
                    AppendRepr(result, item.Value, depth + 1);
                });
                break;
            case Undefined:
                result.Append("Undefined");
                break;
            case NamespaceValue:
                result.Append("<Namespace>");
                break;
            default:
                result.Append('<').Append(Operations.TypeName(value)).Append('>');
                break;
        }
    }

    private static void AppendJoined<T>(StringBuilder result, string open, IEnumerable<T> items, string close, Action<T> append)
    {
        result.Append(open);
        bool isFirst = true;
        foreach (T item in items)
        {
            result.Append(isFirst ? "" : ", ");
            isFirst = false;
            append(item);
        }

        result.Append(close);
    }

    /// <summary>Single quotes unless the text has those and no double ones.</summary>
    private static void AppendQuoted(StringBuilder result, string text)
    {
        char quote = text.Contains('\'') && !text.Contains('"') ? '"' : '\'';
        result.Append(quote);
        foreach (Rune rune in text.EnumerateRunes())
        {
            switch (rune.Value)
            {
                case '\n': result.Append("\\n"); break;
                case '\r': result.Append("\\r"); break;
                case '\t': result.Append("\\t"); break;
                case '\\': result.Append(@"\\"); break;
                case int c when c == quote: result.Append('\\').Append(quote); break;
                default: AppendPrintable(result, rune); break;
            }
        }

        result.Append(quote);
    }

    private static void AppendPrintable(StringBuilder result, Rune rune)
    {
        bool isPrintable = rune.Value == ' ' || Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate
            or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator);
        _ = isPrintable ? result.Append(rune.ToString())
            : rune.Value < 0x100 ? result.Append(CultureInfo.InvariantCulture, $"\\x{rune.Value:x2}")
            : rune.Value < 0x10000 ? result.Append(CultureInfo.InvariantCulture, $"\\u{rune.Value:x4}")
            : result.Append(CultureInfo.InvariantCulture, $"\\U{rune.Value:x8}");
    }

    /// <summary>The shortest decimal that reads back, in Python's notation: exponent form below 1e-4 and from 1e16 on.</summary>
    public static string Float(double number, string infinity, string nan)
    {
        if (!double.IsFinite(number))
        {
            return double.IsNaN(number) ? nan : number > 0 ? infinity : "-" + infinity;
        }

        string scientific = number.ToString("E16", CultureInfo.InvariantCulture);
        string shortest = number.ToString("R", CultureInfo.InvariantCulture);
        int exponent = int.Parse(scientific[(scientific.IndexOf('E', StringComparison.Ordinal) + 1)..], CultureInfo.InvariantCulture);
        string digits = Digits(shortest);
        string sign = double.IsNegative(number) ? "-" : "";
        if (number == 0)
        {
            return sign + "0.0";
        }

        if (exponent is < -4 or >= 16)
        {
            string fraction = digits.Length > 1 ? "." + digits[1..] : "";
            return string.Create(CultureInfo.InvariantCulture, $"{sign}{digits[0]}{fraction}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}");
        }

        if (exponent < 0)
        {
            return sign + "0." + new string('0', -exponent - 1) + digits;
        }

        string whole = digits.Length > exponent + 1 ? digits[..(exponent + 1)] : digits.PadRight(exponent + 1, '0');
        string rest = digits.Length > exponent + 1 ? digits[(exponent + 1)..] : "0";
        return $"{sign}{whole}.{rest}";
    }

    /// <summary>The significant digits of a formatted number, without zeros at either end.</summary>
    private static string Digits(string formatted)
    {
        int end = formatted.IndexOf('E', StringComparison.Ordinal);
        string mantissa = end < 0 ? formatted : formatted[..end];
        return mantissa.Replace(".", "", StringComparison.Ordinal).TrimStart('-', '0').TrimEnd('0') is { Length: > 0 } digits ? digits : "0";
    }

    /// <summary>json.dumps as transformers' tojson calls it.</summary>
    /// <param name="indent">Spaces or the given string per level; null for one line.</param>
    public static string Json(object? value, string? indent, string itemSeparator, string keySeparator, bool ensureAscii, bool sortKeys)
    {
        var result = new StringBuilder();
        new JsonWriter(result, indent, itemSeparator, keySeparator, ensureAscii, sortKeys).Write(value, 0);
        return result.ToString();
    }

    private static void CheckDepth(int depth)
    {
        if (depth > 200)
        {
            throw new TemplateError("a value is nested too deeply to print");
        }
    }

    private sealed class JsonWriter(StringBuilder result, string? indent, string itemSeparator, string keySeparator, bool ensureAscii, bool sortKeys)
    {
        public void Write(object? value, int depth)
        {
            CheckDepth(depth);
            switch (value)
            {
                case null:
                    result.Append("null");
                    break;
                case bool flag:
                    result.Append(flag ? "true" : "false");
                    break;
                case string text:
                    WriteString(text);
                    break;
                case double number:
                    result.Append(Float(number, "Infinity", "NaN"));
                    break;
                case long or BigInteger:
                    result.Append(CultureInfo.InvariantCulture, $"{value}");
                    break;
                case List<object?> list:
                    WriteItems('[', ']', list, depth, item => Write(item, depth + 1));
                    break;
                case DictValue dict:
                    IEnumerable<(object? Key, object? Value)> items = sortKeys ? dict.Items.Order(Comparer<(object? Key, object? Value)>.Create((a, b) => Operations.Compare(a.Key, b.Key))) : dict.Items;
                    WriteItems('{', '}', items, depth, item =>
                    {
                        WriteString(Key(item.Key));
                        result.Append(keySeparator);
                        Write(item.Value, depth + 1);
                    });
                    break;
                default:
                    throw new TemplateError(value is Undefined undefined ? undefined.Reason : $"a {Operations.TypeName(value)} cannot be written as JSON");
            }
        }

        private static string Key(object? key) => key switch
        {
            string text => text,
            null => "null",
            bool flag => flag ? "true" : "false",
            _ => Of(key),
        };

        private void WriteItems<T>(char open, char close, IEnumerable<T> items, int depth, Action<T> write)
        {
            result.Append(open);
            bool isFirst = true;
            foreach (T item in items)
            {
                result.Append(isFirst ? "" : itemSeparator);
                isFirst = false;
                NewLine(depth + 1);
                write(item);
            }

            if (!isFirst)
            {
                NewLine(depth);
            }

            result.Append(close);
        }

        private void NewLine(int depth)
        {
            if (indent is not null)
            {
                result.Append('\n').Insert(result.Length, indent, depth);
            }
        }

        private void WriteString(string text)
        {
            result.Append('"');
            foreach (char c in text)
            {
                switch (c)
                {
                    case '"': result.Append("\\\""); break;
                    case '\\': result.Append(@"\\"); break;
                    case '\n': result.Append("\\n"); break;
                    case '\r': result.Append("\\r"); break;
                    case '\t': result.Append("\\t"); break;
                    case '\b': result.Append("\\b"); break;
                    case '\f': result.Append("\\f"); break;
                    default:
                        _ = c < ' ' || ensureAscii && c > '~' ? result.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}") : result.Append(c);
                        break;
                }
            }

            result.Append('"');
        }
    }
}
