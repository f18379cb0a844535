using System.Globalization;
using SgLang.Grammars.Syntax;

namespace SgLang.Grammars.Regex;

/// <summary>
/// Regular expressions in the notation that Python, ECMAScript and .NET share: alternation, groups, classes, quantifiers, the usual
/// escapes. What looks around or back is refused. A grammar matches the whole text, so anchors at its ends change nothing there.
/// </summary>
internal sealed partial class RegexParser
{
    private const int MaxDepth = 200;

    private readonly string _text;
    private readonly bool _isSearched;
    private int _position;
    private int _depth;

    private RegexParser(string text, bool isSearched)
    {
        _text = text;
        _isSearched = isSearched;
    }

    /// <summary>A grammar of one rule.</summary>
    public static RuleSet ParseWhole(string text)
    {
        var rules = new RuleSet();
        rules.Root = rules.Add("regex", Parse(text));
        return rules;
    }

    /// <exception cref="GrammarException">Says what is wrong, and where.</exception>
    public static Node Parse(string text) => Parse(text, isSearched: false);

    /// <summary>As <see cref="Parse(string)"/>, for an expression that is looked for in a text: ^ stays, as <see cref="Node.Begin"/>.</summary>
    public static Node ParseSearched(string text) => Parse(text, isSearched: true);

    private static Node Parse(string text, bool isSearched)
    {
        var parser = new RegexParser(text, isSearched);
        Node node = parser.Alternation();
        if (!parser.IsAtEnd) throw parser.Wrong($"'{parser.Peek}' closes nothing");
        return node;
    }

    private bool IsAtEnd => _position == _text.Length;
    private char Peek => _text[_position];
    private string WhyOnlyThere => _isSearched ? "" : ", since the whole text is matched";

    private Node Alternation()
    {
        if (++_depth > MaxDepth) throw Wrong($"groups are nested more than {MaxDepth} deep");
        var branches = new List<Node> { Branch() };
        while (Take('|')) branches.Add(Branch());
        _depth--;
        return Node.Any([.. branches]);
    }

    private Node Branch()
    {
        var items = new List<Node>();
        while (!IsAtEnd && Peek is not ('|' or ')'))
        {
            int start = _position;
            if (Take('^'))
            {
                if (start != 0 && (items.Count > 0 || _depth > 1)) throw Wrong($"^ is supported only at the beginning{WhyOnlyThere}", start);
                if (_isSearched) items.Add(new Node.Begin());
                continue;
            }
            if (Take('$'))
            {
                if (!IsAtEnd && !(_depth == 1 && Peek == '|')) throw Wrong($"$ is supported only at the end{WhyOnlyThere}", start);
                continue;
            }
            items.Add(Quantified(Atom()));
        }
        return items.Count == 1 ? items[0] : new Node.Sequence([.. items]);
    }

    private Node Atom()
    {
        char c = Peek;
        switch (c)
        {
            case '(':
                _position++;
                return Group();
            case '[':
                _position++;
                return new Node.Chars(Class());
            case '.':
                _position++;
                return new Node.Chars(CharSet.Single('\n').Complement());
            case '\\':
                _position++;
                return new Node.Chars(Escape());
            case '*' or '+' or '?':
                throw Wrong($"'{c}' repeats nothing");
            default:
                return new Node.Chars(CharSet.Single(Character()));
        }
    }

    private Node Group()
    {
        int start = _position - 1;
        if (Take('?'))
        {
            if (Take(':'))
            {
                // Groups are not captured anyway.
            }
            else if (TakeText("P<") || (Peek == '<' && _position + 1 < _text.Length && _text[_position + 1] is not ('=' or '!') && Take('<')))
            {
                int end = _text.IndexOf('>', _position);
                if (end < 0) throw Wrong("the name of the group has no end", start);
                _position = end + 1;
            }
            else
            {
                throw Wrong("only (?: and named groups are supported; lookahead, lookbehind, flags and conditions are not", start);
            }
        }
        Node node = Alternation();
        if (!Take(')')) throw Wrong("the group has no end", start);
        return node;
    }

    private Node Quantified(Node atom)
    {
        for (int count = 0; !IsAtEnd; count++)
        {
            int start = _position;
            int min;
            int? max;
            if (Take('*')) (min, max) = (0, null);
            else if (Take('+')) (min, max) = (1, null);
            else if (Take('?')) (min, max) = (0, 1);
            else if (Peek == '{' && TryBounds(out min, out max))
            {
                if (max < min) throw Wrong($"the bounds {_text[start.._position]} are in the wrong order", start);
            }
            else return atom;
            if (!Take('?') && Take('+')) throw Wrong("possessive quantifiers are not supported", start);
            if (count >= MaxDepth) throw Wrong($"more than {MaxDepth} quantifiers follow each other", start);
            atom = new Node.Repeat(atom, min, max);
        }
        return atom;
    }

    /// <summary>{n}, {n,}, {n,m} and {,m}; anything else in braces is text, as in Python.</summary>
    private bool TryBounds(out int min, out int? max)
    {
        (min, max) = (0, null);
        int end = _text.IndexOf('}', _position);
        if (end < 0) return false;
        string[] parts = _text[(_position + 1)..end].Split(',');
        if (parts.Length > 2 || !Array.TrueForAll(parts, part => part.All(char.IsAsciiDigit)) || parts.All(part => part.Length == 0)) return false;
        min = parts[0].Length == 0 ? 0 : Count(parts[0]);
        max = parts.Length == 1 ? min : parts[1].Length == 0 ? null : Count(parts[1]);
        _position = end + 1;
        return true;

        int Count(string digits) => int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out int count)
            ? count
            : throw Wrong($"{digits} repetitions are too many");
    }

    /// <summary>The character at the position; surrogates come in pairs.</summary>
    private int Character()
    {
        if (!System.Text.Rune.TryGetRuneAt(_text, _position, out System.Text.Rune rune)) throw Wrong("half of a surrogate pair is no character");
        _position += rune.Utf16SequenceLength;
        return rune.Value;
    }

    private bool Take(char c)
    {
        if (IsAtEnd || Peek != c) return false;
        _position++;
        return true;
    }

    private bool TakeText(string text)
    {
        if (string.CompareOrdinal(_text, _position, text, 0, text.Length) != 0) return false;
        _position += text.Length;
        return true;
    }

    private GrammarException Wrong(string what, int? at = null) => new($"at character {(at ?? _position) + 1}: {what}");
}
