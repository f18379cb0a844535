using System.Globalization;

namespace SgLang.Tokenization.Patterns;

/// <summary>
/// Parses the regular expressions of tokenizer files: the common subset of Oniguruma (the reference's engine) over code points.
/// Back-references, \X, \R and named sub-expression calls are not part of it.
/// </summary>
internal sealed class PatternParser
{
    private const int MaxDepth = 200;

    private readonly string _pattern;
    private int _position;
    private int _depth;
    private bool _ignoreCase;
    private bool _dotMatchesNewline;

    private PatternParser(string pattern) => _pattern = pattern;

    public static PatternNode Parse(string pattern)
    {
        var parser = new PatternParser(CodePoint.Scrub(pattern));
        PatternNode node = parser.ParseChoice();
        return parser._position == parser._pattern.Length ? node : throw parser.Error("unmatched )");
    }

    private bool AtEnd => _position >= _pattern.Length;

    private PatternNode ParseChoice()
    {
        if (++_depth > MaxDepth)
        {
            throw Error("nested too deeply");
        }

        // Flags set inside a group hold to its end.
        (bool ignoreCase, bool dot) = (_ignoreCase, _dotMatchesNewline);
        var options = new List<PatternNode> { ParseSequence() };
        while (TryTake("|"))
        {
            options.Add(ParseSequence());
        }

        (_ignoreCase, _dotMatchesNewline) = (ignoreCase, dot);
        _depth--;
        return options.Count == 1 ? options[0] : new ChoiceNode(options);
    }

    private SequenceNode ParseSequence()
    {
        var items = new List<PatternNode>();
        while (!AtEnd && _pattern[_position] is not ('|' or ')'))
        {
            PatternNode? atom = ParseAtom();
            if (atom is not null)
            {
                items.Add(ParseQuantifiers(atom));
            }
        }

        return new SequenceNode(items);
    }

    private PatternNode ParseQuantifiers(PatternNode body)
    {
        while (!AtEnd)
        {
            int min, max;
            if (TryTake("*"))
            {
                (min, max) = (0, int.MaxValue);
            }
            else if (TryTake("+"))
            {
                (min, max) = (1, int.MaxValue);
            }
            else if (TryTake("?"))
            {
                (min, max) = (0, 1);
            }
            else if (!TryBounds(out min, out max))
            {
                break;
            }

            Greed greed = TryTake("?") ? Greed.Lazy : TryTake("+") ? Greed.Possessive : Greed.Greedy;
            body = new RepeatNode(body, min, max, greed);
        }

        return body;
    }

    private bool TryBounds(out int min, out int max)
    {
        (min, max) = (0, 0);
        int close = _pattern[_position] == '{' ? _pattern.IndexOf('}', _position) : -1;
        if (close < 0)
        {
            return false;
        }

        string[] bounds = _pattern[(_position + 1)..close].Split(',');
        bool hasMin = int.TryParse(bounds[0], NumberStyles.None, CultureInfo.InvariantCulture, out min);
        if (bounds.Length == 1)
        {
            max = min;
        }
        else if (bounds.Length != 2 || bounds[1].Length == 0)
        {
            max = int.MaxValue;
        }
        else if (!int.TryParse(bounds[1], NumberStyles.None, CultureInfo.InvariantCulture, out max))
        {
            return false;
        }

        if (bounds.Length > 2 || !hasMin && (bounds.Length == 1 || bounds[0].Length > 0 || bounds[1].Length == 0))
        {
            return false; // a literal brace
        }

        if (max < min || min > 1000 || max is > 1000 and < int.MaxValue)
        {
            throw Error("repetition bounds out of range");
        }

        _position = close + 1;
        return true;
    }

    /// <summary>Null for what only sets flags.</summary>
    private PatternNode? ParseAtom()
    {
        if (TryTake("("))
        {
            return ParseGroup();
        }

        if (TryTake("["))
        {
            return new SetNode(ParseClass().Freeze());
        }

        if (TryTake("."))
        {
            var any = new CharSet { Negated = true };
            return new SetNode((_dotMatchesNewline ? any : any.AddRange('\n', '\n')).Freeze());
        }

        if (TryTake("^"))
        {
            return new AnchorNode(Anchor.LineStart);
        }

        if (TryTake("$"))
        {
            return new AnchorNode(Anchor.LineEnd);
        }

        if (_pattern[_position] is '*' or '+' or '?')
        {
            throw Error("nothing to repeat");
        }

        if (_pattern[_position] == '\\')
        {
            return ParseEscapedAtom();
        }

        return Literal(TakeCodePoint());
    }

    private SetNode Literal(int codePoint)
    {
        CharSet set = CharSet.Of(codePoint);
        set.IgnoreCase = _ignoreCase;
        return new SetNode(set.Freeze());
    }

    private PatternNode? ParseGroup()
    {
        PatternNode Close(PatternNode node) => TryTake(")") ? node : throw Error("missing )");
        if (TryTake("?="))
        {
            return Close(new LookNode(ParseChoice(), Behind: false, Negative: false));
        }

        if (TryTake("?!"))
        {
            return Close(new LookNode(ParseChoice(), Behind: false, Negative: true));
        }

        if (TryTake("?<="))
        {
            return Close(new LookNode(ParseChoice(), Behind: true, Negative: false));
        }

        if (TryTake("?<!"))
        {
            return Close(new LookNode(ParseChoice(), Behind: true, Negative: true));
        }

        if (TryTake("?>"))
        {
            return Close(new AtomicNode(ParseChoice()));
        }

        if (TryTake("?<"))
        {
            int close = _pattern.IndexOf('>', _position);
            _position = close < 0 ? throw Error("missing >") : close + 1;
            return Close(ParseChoice());
        }

        if (!TryTake("?"))
        {
            return Close(ParseChoice());
        }

        (bool ignoreCase, bool dot) = (_ignoreCase, _dotMatchesNewline);
        bool value = true;
        while (!AtEnd && _pattern[_position] is not (':' or ')'))
        {
            switch (_pattern[_position++])
            {
                case '-': value = false; break;
                case 'i': _ignoreCase = value; break;
                case 's' or 'm': _dotMatchesNewline = value; break;
                case 'u': break;
                default: throw Error("unsupported group or flag");
            }
        }

        if (TryTake(")"))
        {
            return null; // (?i) holds to the end of the enclosing group
        }

        PatternNode body = TryTake(":") ? Close(ParseChoice()) : throw Error("missing )");
        (_ignoreCase, _dotMatchesNewline) = (ignoreCase, dot);
        return body;
    }

    private PatternNode ParseEscapedAtom()
    {
        Anchor? anchor = _position + 1 < _pattern.Length ? _pattern[_position + 1] switch
        {
            'A' => Anchor.TextStart,
            'z' => Anchor.TextEnd,
            'Z' => Anchor.TextEndOrNewline,
            'b' => Anchor.WordBoundary,
            'B' => Anchor.NotWordBoundary,
            _ => null,
        } : null;
        if (anchor is not null)
        {
            _position += 2;
            return new AnchorNode(anchor.Value);
        }

        CharSet? set = TryEscapedSet();
        return set is not null ? new SetNode(set.Freeze()) : Literal(TakeEscapedCodePoint());
    }

    /// <summary>\s, \p{L} and their like; null (nothing taken) when the escape is a single code point.</summary>
    private CharSet? TryEscapedSet()
    {
        if (_position + 1 >= _pattern.Length)
        {
            throw Error("ends with a backslash");
        }

        char kind = _pattern[_position + 1];
        CharSet set;
        switch (kind)
        {
            case 's' or 'S':
                set = new CharSet().AddSpace();
                break;
            case 'w' or 'W':
                set = new CharSet().AddWord();
                break;
            case 'd' or 'D':
                set = new CharSet().AddCategory(UnicodeCategory.DecimalDigitNumber);
                break;
            case 'h' or 'H':
                set = new CharSet().AddRange('0', '9').AddRange('a', 'f').AddRange('A', 'F');
                break;
            case 'p' or 'P':
                _position += 2;
                return ParseProperty(kind == 'P');
            default:
                return null;
        }

        _position += 2;
        set.Negated = char.IsAsciiLetterUpper(kind);
        return set;
    }

    private CharSet ParseProperty(bool negated)
    {
        string name;
        if (TryTake("{"))
        {
            int close = _pattern.IndexOf('}', _position);
            name = close < 0 ? throw Error("missing }") : _pattern[_position..close];
            _position = close + 1;
        }
        else
        {
            name = AtEnd ? throw Error("\\p without a name") : _pattern[_position++].ToString();
        }

        if (name.StartsWith('^'))
        {
            negated = !negated;
            name = name[1..];
        }

        CharSet set = UnicodeProperty.Find(name) ?? throw Error($"unknown property {name}");
        set.Negated = negated;
        return set;
    }

    /// <summary>A bracket expression after its opening bracket.</summary>
    private CharSet ParseClass()
    {
        if (++_depth > MaxDepth)
        {
            throw Error("nested too deeply");
        }

        var set = new CharSet { Negated = TryTake("^"), IgnoreCase = _ignoreCase };
        bool isFirst = true;
        while (isFirst || AtEnd || _pattern[_position] != ']')
        {
            if (AtEnd)
            {
                throw Error("missing ]");
            }

            isFirst = false;
            if (TryTake("&&"))
            {
                // Everything up to the bracket is the right-hand side; it is parsed as if it were a class of its own.
                bool negated = TryTake("^");
                CharSet right = ParseClass();
                right.Negated = negated;
                set.Intersect(right);
                _depth--;
                return set;
            }

            if (TryTake("[:"))
            {
                bool negated = TryTake("^");
                int close = _pattern.IndexOf(":]", _position, StringComparison.Ordinal);
                string name = close < 0 ? throw Error("missing :]") : _pattern[_position..close];
                CharSet member = UnicodeProperty.Find(name) ?? throw Error($"unknown class {name}");
                member.Negated = negated;
                set.AddSet(member);
                _position = close + 2;
                continue;
            }

            if (TryTake("["))
            {
                set.AddSet(ParseClass());
                continue;
            }

            if (_pattern[_position] == '\\' && TryEscapedSet() is { } escaped)
            {
                set.AddSet(escaped);
                continue;
            }

            int first = TakeClassCodePoint();
            int last = first;
            if (_position + 1 < _pattern.Length && _pattern[_position] == '-' && _pattern[_position + 1] is not (']' or '['))
            {
                _position++;
                last = TakeClassCodePoint();
                if (last < first)
                {
                    throw Error("empty range in a class");
                }
            }

            set.AddRange(first, last);
        }

        _position++;
        _depth--;
        return set;
    }

    private int TakeClassCodePoint() => _pattern[_position] == '\\' ? TakeEscapedCodePoint() : TakeCodePoint();

    private int TakeEscapedCodePoint()
    {
        _position++;
        if (AtEnd)
        {
            throw Error("ends with a backslash");
        }

        char c = _pattern[_position];
        switch (c)
        {
            case 'x' when _position + 1 < _pattern.Length && _pattern[_position + 1] == '{':
                int close = _pattern.IndexOf('}', _position);
                return close < 0 ? throw Error("missing }") : TakeHex(_position + 2, close, close + 1);
            case 'x':
                return TakeHex(_position + 1, _position + 3, _position + 3);
            case 'u':
                return TakeHex(_position + 1, _position + 5, _position + 5);
        }

        int codePoint = TakeCodePoint();
        return codePoint switch
        {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'f' => '\f',
            'v' => '\v',
            'a' => '\a',
            'e' => 0x1B,
            '0' => 0,
            _ when codePoint < 128 && char.IsAsciiLetterOrDigit((char)codePoint) => throw Error($"unsupported escape \\{(char)codePoint}"),
            _ => codePoint,
        };
    }

    private int TakeHex(int start, int end, int next)
    {
        if (end > _pattern.Length || !int.TryParse(_pattern.AsSpan(start, end - start), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value)
            || value is < 0 or > 0x10FFFF)
        {
            throw Error("not a hexadecimal code point");
        }

        _position = next;
        return value;
    }

    private int TakeCodePoint()
    {
        int codePoint = CodePoint.At(_pattern, _position, out int width);
        _position += width;
        return codePoint;
    }

    private bool TryTake(string expected)
    {
        if (string.CompareOrdinal(_pattern, _position, expected, 0, expected.Length) != 0)
        {
            return false;
        }

        _position += expected.Length;
        return true;
    }

    private TokenizerException Error(string what) => new($"regular expression /{_pattern}/: {what} at character {Math.Min(_position, _pattern.Length)}");
}
