using System.Globalization;
using SgLang.Grammars.Syntax;

namespace SgLang.Grammars.Json;

/// <summary>
/// Numbers between bounds, digit by digit: at each digit a number is still equal to the bound, or already on the right side of it and free.
/// </summary>
internal static class NumberRange
{
    /// <summary>Significant digits that survive a double; bounded numbers keep within them, so that rounding cannot cross a bound.</summary>
    private const int SafeDigits = 14;

    /// <summary>Integers in [low, high]; a missing bound is the largest number of 15 digits, or ten times the other bound.</summary>
    public static Node Integers(long? low, long? high)
    {
        const long Largest = 999_999_999_999_999;
        if (low is null && high is null) return JsonPieces.Integer;
        long from = low ?? -Math.Max(Largest, Tenfold(high!.Value));
        long to = high ?? Math.Max(Largest, Tenfold(low!.Value));
        var parts = new List<Node>();
        if (from < 0) parts.Add(Node.Of(Node.Text("-"), Naturals(Math.Max(1, -Math.Min(to, -1)), -from)));
        if (to >= 0) parts.Add(Naturals(Math.Max(0, from), to));
        return from > to ? Node.Any() : Node.Any([.. parts]);

        static long Tenfold(long value) => Math.Abs(value) > long.MaxValue / 20 ? Math.Abs(value) : Math.Abs(value) * 10;
    }

    /// <summary>Numbers without exponent between bounds that may be missing.</summary>
    /// <param name="maxFraction">Digits after the point; null for as many as are safe.</param>
    public static Node Decimals(Bound? low, Bound? high, int? maxFraction)
    {
        int integerDigits = Math.Max(DigitsOf(low), DigitsOf(high));
        int fraction = maxFraction ?? Math.Max(1, SafeDigits - integerDigits);
        var parts = new List<Node>();
        if (low is not { Value: >= 0 })
        {
            // -x lies between the bounds where x lies between the negated bounds, the other way round.
            Bound? smallest = high switch
            {
                { Value: <= 0 } bound => bound with { Value = -bound.Value },
                _ => new Bound(0, false),
            };
            Bound? largest = low is { } l ? l with { Value = -l.Value } : null;
            parts.Add(Node.Of(Node.Text("-"), Between(smallest, largest, fraction)));
        }
        if (high is not { Value: < 0 }) parts.Add(Between(low is { Value: > 0 } or { Value: 0, IsExclusive: true } ? low : null, high, fraction));
        return Node.Any([.. parts]);
    }

    private static int DigitsOf(Bound? bound) =>
        bound is { } b ? decimal.Truncate(Math.Abs(b.Value)).ToString(CultureInfo.InvariantCulture).Length : 1;

    /// <summary>Numbers from 0 on.</summary>
    private static Node Between(Bound? low, Bound? high, int fraction)
    {
        Node? atLeast = low is { } l ? AtLeast(l, fraction) : null;
        Node? atMost = high is { } h ? AtMost(h, fraction) : null;
        if (atLeast is not null && atMost is not null) return new Node.Both(atLeast, atMost);
        return atLeast ?? atMost ?? Node.Of(UpToDigits(JsonPieces.MaxDigits), AnyFraction(fraction));
    }

    private static Node AtLeast(Bound bound, int fraction)
    {
        (string integer, string digits) = Split(bound.Value);
        long whole = long.Parse(integer, CultureInfo.InvariantCulture);
        int length = Math.Max(JsonPieces.MaxDigits, integer.Length + 1);
        Node above = Node.Of(Naturals(whole + 1, PowerOfTen(length) - 1), AnyFraction(fraction));
        return Node.Any(above, Node.Of(Node.Text(integer), FractionAtLeast(digits, bound.IsExclusive, fraction)));
    }

    private static Node AtMost(Bound bound, int fraction)
    {
        (string integer, string digits) = Split(bound.Value);
        long whole = long.Parse(integer, CultureInfo.InvariantCulture);
        Node same = Node.Of(Node.Text(integer), FractionAtMost(digits, bound.IsExclusive, fraction));
        return whole == 0 ? same : Node.Any(Node.Of(Naturals(0, whole - 1), AnyFraction(fraction)), same);
    }

    private static Node FractionAtLeast(string digits, bool isExclusive, int length)
    {
        if (digits.Length > 0) return Node.Of(Node.Text("."), DigitsAtLeast(digits, isExclusive, length));
        return isExclusive ? Node.Of(Node.Text("."), SomeNonZero(length)) : AnyFraction(length);
    }

    private static Node DigitsAtLeast(string digits, bool isExclusive, int length)
    {
        if (digits.Length == 0) return isExclusive ? SomeNonZero(length) : Free(length);
        var forms = new List<Node> { Node.Of(Node.Text(digits[..1]), DigitsAtLeast(digits[1..], isExclusive, length - 1)) };
        if (digits[0] < '9') forms.Add(Node.Of(DigitIn((char)(digits[0] + 1), '9'), Free(length - 1)));
        return Node.Any([.. forms]);
    }

    private static Node FractionAtMost(string digits, bool isExclusive, int length)
    {
        if (digits.Length > 0) return Node.Optional(Node.Of(Node.Text("."), DigitsAtMost(digits, isExclusive, length)));
        return isExclusive ? Node.Any([]) : Node.Optional(Node.Of(Node.Text("."), Zeros(1, length)));
    }

    private static Node DigitsAtMost(string digits, bool isExclusive, int length)
    {
        var forms = new List<Node>();
        if (digits[0] > '0') forms.Add(Node.Of(DigitIn('0', (char)(digits[0] - 1)), Free(length - 1)));
        Node same = Node.Text(digits[..1]);
        if (digits.Length > 1) forms.Add(Node.Of(same, Node.Optional(DigitsAtMost(digits[1..], isExclusive, length - 1))));
        else if (!isExclusive) forms.Add(Node.Of(same, Zeros(0, length - 1)));
        return new Node.Choice([.. forms]);
    }

    private static Node SomeNonZero(int length) => Node.Of(Zeros(0, Math.Max(0, length - 1)), DigitIn('1', '9'), Free(length - 1));

    private static Node Zeros(int min, int length) => new Node.Repeat(Node.Text("0"), min, Math.Max(min, length));

    private static Node Free(int length) => new Node.Repeat(JsonPieces.Digit, 0, Math.Max(0, length));

    private static Node AnyFraction(int length) =>
        length == 0 ? Node.Empty : Node.Optional(Node.Of(Node.Text("."), new Node.Repeat(JsonPieces.Digit, 1, length)));

    private static Node UpToDigits(int count) =>
        Node.Any(Node.Text("0"), Node.Of(DigitIn('1', '9'), new Node.Repeat(JsonPieces.Digit, 0, count - 1)));

    private static Node DigitIn(char first, char last) => new Node.Chars(CharSet.Of((first, last)));

    /// <summary>Integers in [low, high], both at least 0, without leading zeros.</summary>
    private static Node Naturals(long low, long high)
    {
        if (low > high) return Node.Any([]);
        string first = low.ToString(CultureInfo.InvariantCulture), last = high.ToString(CultureInfo.InvariantCulture);
        if (first.Length == last.Length) return SameLength(first, last);
        var parts = new List<Node>
        {
            SameLength(first, new string('9', first.Length)),
            SameLength("1" + new string('0', last.Length - 1), last),
        };
        if (last.Length - first.Length > 1) parts.Add(Node.Of(DigitIn('1', '9'), new Node.Repeat(JsonPieces.Digit, first.Length, last.Length - 2)));
        return Node.Any([.. parts]);
    }

    /// <summary>Digit strings in [low, high], which have one length.</summary>
    private static Node SameLength(string low, string high)
    {
        int rest = low.Length - 1;
        if (rest < 0) return Node.Empty;
        if (low[0] == high[0]) return Node.Of(Node.Text(low[..1]), SameLength(low[1..], high[1..]));
        bool isLowFree = low.AsSpan(1).TrimStart('0').IsEmpty, isHighFree = high.AsSpan(1).TrimStart('9').IsEmpty;
        char first = (char)(low[0] + (isLowFree ? 0 : 1)), last = (char)(high[0] - (isHighFree ? 0 : 1));
        var parts = new List<Node>();
        if (!isLowFree) parts.Add(Node.Of(Node.Text(low[..1]), SameLength(low[1..], new string('9', rest))));
        if (first <= last) parts.Add(Node.Of(DigitIn(first, last), new Node.Repeat(JsonPieces.Digit, rest, rest)));
        if (!isHighFree) parts.Add(Node.Of(Node.Text(high[..1]), SameLength(new string('0', rest), high[1..])));
        return Node.Any([.. parts]);
    }

    private static long PowerOfTen(int exponent)
    {
        long power = 1;
        for (int i = 0; i < exponent && i < 18; i++) power *= 10;
        return power;
    }

    /// <summary>Digits before the point, and after it without trailing zeros.</summary>
    private static (string Integer, string Fraction) Split(decimal value)
    {
        string[] parts = value.ToString(CultureInfo.InvariantCulture).Split('.');
        return (parts[0], parts.Length == 1 ? "" : parts[1].TrimEnd('0'));
    }

    /// <summary>One end of a range.</summary>
    public readonly record struct Bound(decimal Value, bool IsExclusive);
}
