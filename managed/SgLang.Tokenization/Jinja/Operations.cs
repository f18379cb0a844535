using System.Globalization;
using System.Numerics;
using System.Text;

namespace SgLang.Tokenization.Jinja;

/// <summary>Python's operators on template values.</summary>
internal static class Operations
{
    private const int MaxStringLength = 64 << 20;

    public static bool IsTrue(object? value) => value switch
    {
        null or Undefined => false,
        bool flag => flag,
        long number => number != 0,
        double number => number != 0,
        BigInteger number => !number.IsZero,
        string text => text.Length > 0,
        List<object?> list => list.Count > 0,
        DictValue dict => dict.Count > 0,
        _ => true,
    };

    public static string TypeName(object? value) => value switch
    {
        null => "None",
        bool => "bool",
        long or BigInteger => "int",
        double => "float",
        string => "str",
        TupleValue => "tuple",
        List<object?> => "list",
        DictValue => "dict",
        FunctionValue => "function",
        _ => value.GetType().Name.Replace("Value", "", StringComparison.Ordinal).ToLowerInvariant(),
    };

    public static bool AreEqual(object? left, object? right)
    {
        if (IsNumber(left) && IsNumber(right))
        {
            return CompareNumbers(left!, right!) == 0;
        }

        switch (left, right)
        {
            case (null, null):
            case (Undefined, Undefined):
                return true;
            case (string a, string b):
                return a == b;
            case (List<object?> a, List<object?> b):
                return a is TupleValue == b is TupleValue && a.Count == b.Count && a.Zip(b).All(pair => AreEqual(pair.First, pair.Second));
            case (DictValue a, DictValue b):
                return a.Count == b.Count && a.Items.All(item => b.TryGet(item.Key, out object? other) && AreEqual(item.Value, other));
            default:
                return left is not null && ReferenceEquals(left, right);
        }
    }

    /// <summary>Numbers, strings and sequences have an order; a mixture has none.</summary>
    public static int Compare(object? left, object? right)
    {
        if (IsNumber(left) && IsNumber(right))
        {
            return CompareNumbers(left!, right!);
        }

        switch (left, right)
        {
            case (string a, string b):
                return CompareText(a, b);
            case (List<object?> a, List<object?> b):
                for (int i = 0; i < Math.Min(a.Count, b.Count); i++)
                {
                    if (!AreEqual(a[i], b[i]))
                    {
                        return Compare(a[i], b[i]);
                    }
                }

                return a.Count.CompareTo(b.Count);
            default:
                throw new TemplateError(Reason(left, right) ?? $"'{TypeName(left)}' and '{TypeName(right)}' cannot be ordered");
        }
    }

    public static bool Contains(object? container, object? item) => container switch
    {
        string text => item is string part ? text.Contains(part, StringComparison.Ordinal) : throw new TemplateError($"'in <string>' needs a string, not {TypeName(item)}"),
        List<object?> list => list.Any(member => AreEqual(member, item)),
        DictValue dict => dict.TryGet(item, out _),
        Undefined => false,
        _ => throw new TemplateError($"'{TypeName(container)}' cannot contain anything"),
    };

    public static object? Negate(object? value) => value switch
    {
        bool flag => flag ? -1L : 0L,
        long number when number != long.MinValue => -number,
        double number => -number,
        BigInteger number => -number,
        _ => throw new TemplateError(Reason(value) ?? $"'{TypeName(value)}' has no negative"),
    };

    public static object? Binary(string symbol, object? left, object? right)
    {
        if (symbol == "~")
        {
            return Concatenate(Text.Of(left), Text.Of(right));
        }

        if (Reason(left, right) is { } reason)
        {
            throw new TemplateError(reason);
        }

        if (IsNumber(left) && IsNumber(right))
        {
            return Arithmetic(symbol, left!, right!);
        }

        return (symbol, left, right) switch
        {
            ("+", string a, string b) => Concatenate(a, b),
            ("+", TupleValue a, TupleValue b) => new TupleValue(a.Concat(b)),
            ("+", List<object?> a, List<object?> b) when a is not TupleValue && b is not TupleValue => a.Concat(b).ToList(),
            ("*", string a, long n) => Repeat(a, n),
            ("*", long n, string a) => Repeat(a, n),
            ("*", List<object?> a, long n) when n * Math.Max(1, a.Count) <= Sequences.MaxRange => Enumerable.Repeat(a, (int)Math.Max(0, n)).SelectMany(items => items).ToList(),
            ("%", string format, _) => PercentFormat.Apply(format, right),
            _ => throw new TemplateError($"'{TypeName(left)}' {symbol} '{TypeName(right)}' is not defined"),
        };
    }

    public static bool IsNumber(object? value) => value is long or double or bool or BigInteger;

    public static double ToDouble(object value) => value switch
    {
        long number => number,
        double number => number,
        bool flag => flag ? 1 : 0,
        BigInteger number => (double)number,
        _ => throw new TemplateError($"a number is expected, not {TypeName(value)}"),
    };

    /// <summary>An integer that fits 32 bits; larger ones are cut to the ends of the range, which is enough for counts and positions.</summary>
    public static int ToIndex(object? value, string what) => value switch
    {
        long number => (int)Math.Clamp(number, int.MinValue, int.MaxValue),
        bool flag => flag ? 1 : 0,
        BigInteger number => number.Sign < 0 ? int.MinValue : int.MaxValue,
        _ => throw new TemplateError(Reason(value) ?? $"{what} must be an integer, not {TypeName(value)}"),
    };

    private static object Arithmetic(string symbol, object left, object right)
    {
        if (left is double || right is double || symbol == "/" || symbol == "**" && CompareNumbers(right, 0L) < 0)
        {
            double a = ToDouble(left);
            double b = ToDouble(right);
            if (b == 0 && symbol is "/" or "//" or "%" && b == 0)
            {
                throw new TemplateError("division by zero");
            }

            return symbol switch
            {
                "+" => a + b,
                "-" => a - b,
                "*" => a * b,
                "/" => a / b,
                "//" => Math.Floor(a / b),
                "%" => a - b * Math.Floor(a / b),
                _ => Math.Pow(a, b),
            };
        }

        BigInteger x = ToBig(left);
        BigInteger y = ToBig(right);
        if (symbol is "//" or "%" && y.IsZero)
        {
            throw new TemplateError("division by zero");
        }

        if (symbol == "**" && (y > 1024 || x.GetBitLength() * (int)y > 1 << 16))
        {
            throw new TemplateError("the power is too large");
        }

        return Shrink(symbol switch
        {
            "+" => x + y,
            "-" => x - y,
            "*" => x.GetBitLength() + y.GetBitLength() > 1 << 16 ? throw new TemplateError("the product is too large") : x * y,
            "//" => FloorDivide(x, y),
            "%" => x - y * FloorDivide(x, y),
            _ => BigInteger.Pow(x, (int)y),
        });
    }

    public static object Shrink(BigInteger value) => value >= long.MinValue && value <= long.MaxValue ? (long)value : value;

    private static BigInteger FloorDivide(BigInteger x, BigInteger y)
    {
        BigInteger quotient = BigInteger.DivRem(x, y, out BigInteger remainder);
        return !remainder.IsZero && remainder.Sign != y.Sign ? quotient - 1 : quotient;
    }

    private static BigInteger ToBig(object value) => value switch
    {
        long number => number,
        bool flag => flag ? 1 : 0,
        BigInteger number => number,
        _ => throw new TemplateError($"an integer is expected, not {TypeName(value)}"),
    };

    private static int CompareNumbers(object left, object right) =>
        left is double || right is double ? ToDouble(left).CompareTo(ToDouble(right)) : ToBig(left).CompareTo(ToBig(right));

    /// <summary>By code point: surrogates sort after the rest of the basic plane.</summary>
    private static int CompareText(string a, string b)
    {
        int common = a.AsSpan().CommonPrefixLength(b);
        if (common == a.Length || common == b.Length)
        {
            return a.Length.CompareTo(b.Length);
        }

        bool aIsAstral = char.IsSurrogate(a[common]);
        return aIsAstral == char.IsSurrogate(b[common]) ? a[common].CompareTo(b[common]) : aIsAstral ? 1 : -1;
    }

    private static string Concatenate(string a, string b) =>
        (long)a.Length + b.Length <= MaxStringLength ? a + b : throw new TemplateError($"a string is longer than {MaxStringLength} characters");

    private static string Repeat(string text, long count)
    {
        if (count <= 0 || text.Length == 0)
        {
            return "";
        }

        return count <= MaxStringLength / text.Length
            ? new StringBuilder(text.Length * (int)count).Insert(0, text, (int)count).ToString()
            : throw new TemplateError($"a string is longer than {MaxStringLength} characters");
    }

    private static string? Reason(params ReadOnlySpan<object?> values)
    {
        foreach (object? value in values)
        {
            if (value is Undefined undefined)
            {
                return undefined.Reason;
            }
        }

        return null;
    }
}

/// <summary>Python's str % values, for %s %r %d %i %f %x %% with width and precision.</summary>
internal static class PercentFormat
{
    public static string Apply(string format, object? values)
    {
        List<object?> items = values is TupleValue tuple ? tuple : [values];
        var result = new StringBuilder();
        int next = 0;
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%')
            {
                result.Append(format[i]);
                continue;
            }

            int start = ++i;
            while (i < format.Length && (char.IsAsciiDigit(format[i]) || format[i] is '-' or '.' or '0' or '+'))
            {
                i++;
            }

            if (i >= format.Length)
            {
                throw new TemplateError("the format ends within a directive");
            }

            if (format[i] == '%')
            {
                result.Append('%');
                continue;
            }

            object? value = next < items.Count ? items[next++] : throw new TemplateError("not enough values for the format");
            result.Append(Directive(format[start..i], format[i], value));
        }

        return result.ToString();
    }

    private static string Directive(string flags, char kind, object? value)
    {
        int dot = flags.IndexOf('.', StringComparison.Ordinal);
        int precision = dot >= 0 && int.TryParse(flags[(dot + 1)..], out int digits) ? Math.Min(digits, 100) : -1;
        string widthText = (dot >= 0 ? flags[..dot] : flags).TrimStart('-', '+', '0');
        int width = widthText.Length > 0 && int.TryParse(widthText, out int wide) ? Math.Min(wide, 10_000) : 0;
        string text = kind switch
        {
            's' => precision >= 0 ? Text.Of(value)[..Math.Min(precision, Text.Of(value).Length)] : Text.Of(value),
            'r' => Text.Repr(value),
            'd' or 'i' => Text.Of(value is double number ? (long)number : value),
            'f' => Operations.ToDouble(value ?? 0L).ToString("F" + (precision < 0 ? 6 : precision), CultureInfo.InvariantCulture),
            'x' => Operations.ToIndex(value, "%x").ToString("x", CultureInfo.InvariantCulture),
            _ => throw new TemplateError($"the format directive %{kind} is not supported"),
        };
        return flags.StartsWith('-') ? text.PadRight(width) : text.PadLeft(width, flags.StartsWith('0') && kind is not 's' ? '0' : ' ');
    }
}
