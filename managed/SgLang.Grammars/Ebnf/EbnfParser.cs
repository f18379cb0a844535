using System.Globalization;
using System.Text;
using SgLang.Grammars.Syntax;

namespace SgLang.Grammars.Ebnf;

/// <summary>
/// Grammars as llama.cpp and XGrammar write them: `name ::= expression`, with "literals" or 'literals', [classes], ( ), |, * + ? {n,m}, `.` for
/// any character and # comments. An expression ends where the next `name ::=` begins; matching starts at rule `root`.
/// </summary>
internal sealed class EbnfParser
{
    private const int MaxDepth = 200;

    private readonly string _text;
    private readonly RuleSet _rules = new();
    private readonly Dictionary<string, int> _numbers = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _firstUse = new(StringComparer.Ordinal);
    private readonly HashSet<string> _defined = new(StringComparer.Ordinal);
    private int _position;
    private int _depth;

    private EbnfParser(string text) => _text = text;

    /// <exception cref="GrammarException">Says what is wrong, and where.</exception>
    public static RuleSet Parse(string text) => new EbnfParser(text).Rules();

    private RuleSet Rules()
    {
        SkipBlanks();
        while (!IsAtEnd)
        {
            int start = _position;
            string name = Name() ?? throw Wrong("a rule `name ::= expression` is expected");
            SkipBlanks();
            if (!TakeText("::=")) throw Wrong($"'::=' is expected after '{name}'");
            int rule = Number(name, start);
            if (!_defined.Add(name)) throw Wrong($"rule '{name}' is defined twice", start);
            _rules.Define(rule, Alternation());
        }
        foreach ((string name, int at) in _firstUse)
            if (!_defined.Contains(name)) throw Wrong($"rule '{name}' is used but not defined", at);
        if (!_numbers.TryGetValue("root", out int root)) throw new GrammarException("the grammar has no rule 'root', where matching starts");
        _rules.Root = root;
        return _rules;
    }

    private Node Alternation()
    {
        if (++_depth > MaxDepth) throw Wrong($"groups are nested more than {MaxDepth} deep");
        var branches = new List<Node> { Sequence() };
        while (Take('|')) branches.Add(Sequence());
        _depth--;
        return Node.Any([.. branches]);
    }

    private Node Sequence()
    {
        var items = new List<Node>();
        while (true)
        {
            SkipBlanks();
            if (IsAtEnd || Peek is '|' or ')' || IsAtRule()) return items.Count == 1 ? items[0] : new Node.Sequence([.. items]);
            items.Add(Quantified(Atom()));
        }
    }

    private Node Atom()
    {
        int start = _position;
        switch (Peek)
        {
            case '"' or '\'':
                return Literal(_text[_position++], start);
            case '[':
                _position++;
                return new Node.Chars(Class(start));
            case '.':
                _position++;
                return new Node.Chars(CharSet.All);
            case '(':
                _position++;
                if (Peek == '=') throw Wrong("lookahead is not supported", start);
                Node group = Alternation();
                if (!Take(')')) throw Wrong("the group has no end", start);
                return group;
            default:
                string name = Name() ?? throw Wrong($"'{Peek}' begins no part of an expression");
                return new Node.Call(Number(name, start));
        }
    }

    private Node Quantified(Node atom)
    {
        for (int count = 0; !IsAtEnd; count++)
        {
            int start = _position;
            if (count > MaxDepth) throw Wrong($"more than {MaxDepth} quantifiers follow each other", start);
            if (Take('*')) atom = Node.Star(atom);
            else if (Take('+')) atom = new Node.Repeat(atom, 1, null);
            else if (Take('?')) atom = Node.Optional(atom);
            else if (Peek == '{') atom = Bounded(atom, start);
            else return atom;
        }
        return atom;
    }

    private Node Bounded(Node atom, int start)
    {
        int end = _text.IndexOf('}', _position);
        if (end < 0) throw Wrong("the bounds have no end", start);
        string[] parts = _text[(_position + 1)..end].Split(',');
        int min = 0, max = 0;
        bool isGood = parts.Length <= 2 && TryCount(parts[0], out min) && (parts.Length == 1 || parts[1].Trim().Length == 0 || TryCount(parts[1], out max));
        if (!isGood) throw Wrong($"the bounds must be {{n}}, {{n,}} or {{n,m}}, got {_text[start..(end + 1)]}", start);
        _position = end + 1;
        int? limit = parts.Length == 1 ? min : parts[1].Trim().Length == 0 ? null : max;
        if (limit < min) throw Wrong($"the bounds {_text[start.._position]} are in the wrong order", start);
        return new Node.Repeat(atom, min, limit);

        static bool TryCount(string text, out int count) => int.TryParse(text.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out count);
    }

    private Node Literal(char quote, int start)
    {
        var text = new StringBuilder();
        while (true)
        {
            if (IsAtEnd || Peek == '\n') throw Wrong("the literal has no end", start);
            if (Take(quote)) return Node.Text(text.ToString());
            text.Append(char.ConvertFromUtf32(Character()));
        }
    }

    private CharSet Class(int start)
    {
        bool negated = Take('^');
        var ranges = new List<(int, int)>();
        while (true)
        {
            if (IsAtEnd) throw Wrong("the class has no end", start);
            if (Take(']')) break;
            int itemStart = _position;
            int first = Character();
            bool isRange = _position + 1 < _text.Length && Peek == '-' && _text[_position + 1] != ']';
            if (isRange) _position++;
            int last = isRange ? Character() : first;
            if (last < first) throw Wrong($"the range {_text[itemStart.._position]} is in the wrong order", itemStart);
            ranges.Add((first, last));
        }
        CharSet set = CharSet.Of([.. ranges]);
        set = negated ? set.Complement() : set;
        return set.IsEmpty ? throw Wrong("the class matches no character", start) : set;
    }

    private int Character()
    {
        int start = _position;
        if (!Take('\\'))
        {
            if (!Rune.TryGetRuneAt(_text, _position, out Rune rune)) throw Wrong("half of a surrogate pair is no character");
            _position += rune.Utf16SequenceLength;
            return rune.Value;
        }
        if (IsAtEnd) throw Wrong("the backslash escapes nothing", start);
        char c = _text[_position++];
        switch (c)
        {
            case 'n': return '\n';
            case 't': return '\t';
            case 'r': return '\r';
            case 'f': return '\f';
            case 'v': return '\v';
            case 'b': return '\b';
            case '0': return 0;
            case 'x': return Hex(2, start);
            case 'u': return Hex(4, start);
            case 'U': return Hex(8, start);
            default:
                if (char.IsAsciiLetterOrDigit(c)) throw Wrong($"\\{c} is no escape that is supported", start);
                return c;
        }
    }

    private int Hex(int digits, int start)
    {
        if (_position + digits > _text.Length || !int.TryParse(_text.AsSpan(_position, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value)
            || !Rune.IsValid(value))
            throw Wrong($"the escape needs {digits} hexadecimal digits of a character", start);
        _position += digits;
        return value;
    }

    private int Number(string name, int at)
    {
        if (_numbers.TryGetValue(name, out int number)) return number;
        _firstUse[name] = at;
        return _numbers[name] = _rules.Declare(name);
    }

    /// <summary>Whether `name ::=` is next.</summary>
    private bool IsAtRule()
    {
        int start = _position;
        bool isRule = false;
        if (Name() is not null)
        {
            SkipBlanks();
            isRule = string.CompareOrdinal(_text, _position, "::=", 0, 3) == 0;
        }
        _position = start;
        return isRule;
    }

    private string? Name()
    {
        int start = _position;
        while (!IsAtEnd && (char.IsAsciiLetterOrDigit(Peek) || Peek is '_' or '-')) _position++;
        return _position == start ? null : _text[start.._position];
    }

    private void SkipBlanks()
    {
        while (!IsAtEnd)
        {
            if (char.IsWhiteSpace(Peek)) _position++;
            else if (Peek == '#') _position = _text.IndexOf('\n', _position) is var end and >= 0 ? end : _text.Length;
            else return;
        }
    }

    private bool IsAtEnd => _position >= _text.Length;
    private char Peek => IsAtEnd ? '\0' : _text[_position];

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

    private GrammarException Wrong(string what, int? at = null)
    {
        int position = Math.Min(at ?? _position, _text.Length);
        int line = 1 + _text.AsSpan(0, position).Count('\n');
        int column = position - (_text.LastIndexOf('\n', Math.Max(0, position - 1)) is var last && position > 0 ? last : -1);
        return new GrammarException($"line {line}, column {column}: {what}");
    }
}
