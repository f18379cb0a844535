using System.Globalization;
using System.Text;

namespace SgLang.Tokenization.Jinja;

/// <summary>
/// Cuts a template into tokens. Whitespace control is Jinja's with trim_blocks and lstrip_blocks on, as transformers compiles chat templates:
/// the newline after a block or comment tag goes, and blanks before one that stands first on its line; {%- and -%} take all whitespace; {%+ keeps it.
/// </summary>
internal sealed class Lexer
{
    private static readonly string[] s_operators = ["**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", ".", ":", "|", ",", ";", "(", ")", "[", "]", "{", "}"];

    private readonly string _source;
    private readonly List<Token> _tokens = [];
    private int _position;
    private int _line = 1;

    /// <summary>Whether the text after the last tag begins a line.</summary>
    private bool _isLineStart = true;

    private Lexer(string source)
    {
        source = source.ReplaceLineEndings("\n");
        _source = source.EndsWith('\n') ? source[..^1] : source;
    }

    public static List<Token> Tokenize(string source)
    {
        var lexer = new Lexer(source);
        lexer.ReadTemplate();
        lexer._tokens.Add(new Token(TokenKind.End, "end of template", lexer._line));
        return lexer._tokens;
    }

    private void ReadTemplate()
    {
        while (_position < _source.Length)
        {
            int tag = NextTag(_position);
            if (tag < 0)
            {
                AddData(_source[_position..]);
                MoveTo(_source.Length);
                return;
            }

            char kind = _source[tag + 1];
            char sign = tag + 2 < _source.Length && _source[tag + 2] is '-' or '+' ? _source[tag + 2] : ' ';
            AddData(TrimBefore(_source[_position..tag], kind, sign));
            MoveTo(tag + (sign == ' ' ? 2 : 3));
            switch (kind)
            {
                case '#':
                    SkipComment();
                    break;
                case '%' when TryRaw():
                    break;
                default:
                    _tokens.Add(new Token(kind == '%' ? TokenKind.BlockBegin : TokenKind.VariableBegin, _source.Substring(tag, 2), _line));
                    ReadExpression(kind == '%' ? "%}" : "}}", kind == '%' ? TokenKind.BlockEnd : TokenKind.VariableEnd);
                    break;
            }
        }
    }

    private int NextTag(int from)
    {
        for (int i = _source.IndexOf('{', from); i >= 0 && i + 1 < _source.Length; i = _source.IndexOf('{', i + 1))
        {
            if (_source[i + 1] is '{' or '%' or '#')
            {
                return i;
            }
        }

        return -1;
    }

    private string TrimBefore(string data, char kind, char sign)
    {
        if (sign == '-')
        {
            return data.TrimEnd();
        }

        if (sign == '+' || kind == '{')
        {
            return data;
        }

        int lineStart = data.LastIndexOf('\n') + 1;
        bool onlyBlanks = (lineStart > 0 || _isLineStart) && string.IsNullOrWhiteSpace(data[lineStart..]);
        return onlyBlanks ? data[..lineStart] : data;
    }

    private void AddData(string data)
    {
        if (data.Length > 0)
        {
            _tokens.Add(new Token(TokenKind.Data, data, _line));
        }
    }

    private void SkipComment()
    {
        int end = _source.IndexOf("#}", _position, StringComparison.Ordinal);
        if (end < 0)
        {
            throw Error("a comment is not closed with #}");
        }

        char sign = end > _position && _source[end - 1] is '-' or '+' ? _source[end - 1] : ' ';
        MoveTo(end + 2);
        SkipAfterTag(sign, trimsNewline: true);
    }

    /// <summary>After "{%": a raw block passes its content through.</summary>
    private bool TryRaw()
    {
        if (!TryTagOf("raw", _position, out int contentStart, out char beginSign))
        {
            return false;
        }

        MoveTo(contentStart);
        if (beginSign == '-')
        {
            SkipAfterTag(beginSign, trimsNewline: false);
        }

        for (int tag = _source.IndexOf("{%", _position, StringComparison.Ordinal); tag >= 0; tag = _source.IndexOf("{%", tag + 2, StringComparison.Ordinal))
        {
            char sign = tag + 2 < _source.Length && _source[tag + 2] is '-' or '+' ? _source[tag + 2] : ' ';
            if (TryTagOf("endraw", tag + (sign == ' ' ? 2 : 3), out int end, out char endSign))
            {
                _isLineStart = false;
                AddData(TrimBefore(_source[_position..tag], '%', sign));
                MoveTo(end);
                SkipAfterTag(endSign, trimsNewline: true);
                return true;
            }
        }

        throw Error("{% raw %} is not closed with {% endraw %}");
    }

    /// <summary>Whether a block tag holding just <paramref name="word"/> goes on at <paramref name="from"/>.</summary>
    private bool TryTagOf(string word, int from, out int end, out char sign)
    {
        (end, sign) = (-1, ' ');
        int position = SkipBlanks(from);
        if (string.CompareOrdinal(_source, position, word, 0, word.Length) != 0)
        {
            return false;
        }

        position = SkipBlanks(position + word.Length);
        if (position < _source.Length && _source[position] is '-' or '+')
        {
            sign = _source[position++];
        }

        end = position + 2;
        return string.CompareOrdinal(_source, position, "%}", 0, 2) == 0;
    }

    private int SkipBlanks(int position)
    {
        while (position < _source.Length && char.IsWhiteSpace(_source[position]))
        {
            position++;
        }

        return position;
    }

    private void SkipAfterTag(char sign, bool trimsNewline)
    {
        int start = _position;
        if (sign == '-')
        {
            MoveTo(SkipBlanks(_position));
        }
        else if (trimsNewline && sign != '+' && _position < _source.Length && _source[_position] == '\n')
        {
            MoveTo(_position + 1);
        }

        _isLineStart = _position > start && _source[_position - 1] == '\n';
    }

    /// <summary>Tokens up to the closing tag, which is not looked for inside brackets.</summary>
    private void ReadExpression(string close, TokenKind closeKind)
    {
        var brackets = new Stack<char>();
        int opened = _line;
        while (true)
        {
            MoveTo(SkipBlanks(_position));
            if (_position >= _source.Length)
            {
                throw new TemplateError($"a tag is not closed with {close}", opened);
            }

            if (brackets.Count == 0)
            {
                char sign = _source[_position] is '-' or '+' ? _source[_position] : ' ';
                int end = sign == ' ' ? _position : _position + 1;
                // "+}}" is no closing tag: a plus sign has no meaning for variables.
                if (string.CompareOrdinal(_source, end, close, 0, 2) == 0 && !(sign == '+' && closeKind == TokenKind.VariableEnd))
                {
                    _tokens.Add(new Token(closeKind, close, _line));
                    MoveTo(end + 2);
                    SkipAfterTag(sign, trimsNewline: closeKind == TokenKind.BlockEnd);
                    return;
                }
            }

            ReadToken(brackets);
        }
    }

    private void ReadToken(Stack<char> brackets)
    {
        char c = _source[_position];
        if (c is '\'' or '"')
        {
            ReadString(c);
        }
        else if (char.IsAsciiDigit(c))
        {
            ReadNumber();
        }
        else if (char.IsLetter(c) || c == '_')
        {
            int end = _position;
            while (end < _source.Length && (char.IsLetterOrDigit(_source[end]) || _source[end] == '_'))
            {
                end++;
            }

            Add(TokenKind.Name, _source[_position..end], end);
        }
        else
        {
            ReadOperator(brackets);
        }
    }

    private void ReadOperator(Stack<char> brackets)
    {
        string symbol = Array.Find(s_operators, candidate => string.CompareOrdinal(_source, _position, candidate, 0, candidate.Length) == 0)
            ?? throw Error($"unexpected character '{_source[_position]}'");
        switch (symbol[0])
        {
            case '(' or '[' or '{':
                brackets.Push(symbol[0] == '(' ? ')' : symbol[0] == '[' ? ']' : '}');
                break;
            case ')' or ']' or '}' when !brackets.TryPop(out char expected) || expected != symbol[0]:
                throw Error($"unexpected '{symbol}'");
        }

        Add(TokenKind.Operator, symbol, _position + symbol.Length);
    }

    private void ReadNumber()
    {
        int end = _position;
        string digits = TakeDigits(ref end);
        bool isFloat = false;
        if (end + 1 < _source.Length && _source[end] == '.' && char.IsAsciiDigit(_source[end + 1]))
        {
            end++;
            digits += "." + TakeDigits(ref end);
            isFloat = true;
        }

        int exponent = end + 1;
        if (end < _source.Length && _source[end] is 'e' or 'E')
        {
            exponent += exponent < _source.Length && _source[exponent] is '+' or '-' ? 1 : 0;
            if (exponent < _source.Length && char.IsAsciiDigit(_source[exponent]))
            {
                digits += _source[end..exponent];
                end = exponent;
                digits += TakeDigits(ref end);
                isFloat = true;
            }
        }

        Add(isFloat ? TokenKind.Float : TokenKind.Integer, digits, end);
    }

    /// <summary>Digits, which underscores may group.</summary>
    private string TakeDigits(ref int position)
    {
        int start = position;
        while (position < _source.Length && (char.IsAsciiDigit(_source[position]) || _source[position] == '_'))
        {
            position++;
        }

        return _source[start..position].Replace("_", "", StringComparison.Ordinal);
    }

    private void ReadString(char quote)
    {
        int position = _position + 1;
        var text = new StringBuilder();
        while (position < _source.Length && _source[position] != quote)
        {
            if (_source[position] == '\\' && position + 1 < _source.Length)
            {
                position = ReadEscape(position + 1, text);
            }
            else
            {
                text.Append(_source[position++]);
            }
        }

        if (position >= _source.Length)
        {
            throw Error("a string is not closed");
        }

        Add(TokenKind.String, text.ToString(), position + 1);
    }

    /// <summary>Python's escapes; an unknown one stands for itself, backslash included.</summary>
    private int ReadEscape(int position, StringBuilder text)
    {
        char c = _source[position];
        int digits = c switch { 'x' => 2, 'u' => 4, 'U' => 8, _ => 0 };
        if (digits > 0)
        {
            if (position + digits >= _source.Length
                || !int.TryParse(_source.AsSpan(position + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int point) || point is < 0 or > 0x10FFFF)
            {
                throw Error($"\\{c} must be followed by {digits} hexadecimal digits");
            }

            _ = point < 0x10000 ? text.Append((char)point) : text.Append(char.ConvertFromUtf32(point));
            return position + digits + 1;
        }

        if (c is >= '0' and <= '7')
        {
            int value = 0;
            int end = Math.Min(position + 3, _source.Length);
            for (; position < end && _source[position] is >= '0' and <= '7'; position++)
            {
                value = value * 8 + _source[position] - '0';
            }

            text.Append((char)value);
            return position;
        }

        const string Escapes = "n\nt\tr\rb\bf\fa\av\v\\\\''\"\"";
        int index = 0;
        while (index < Escapes.Length && Escapes[index] != c)
        {
            index += 2;
        }

        if (c != '\n')
        {
            _ = index < Escapes.Length ? text.Append(Escapes[index + 1]) : text.Append('\\').Append(c);
        }

        return position + 1;
    }

    private void Add(TokenKind kind, string text, int end)
    {
        _tokens.Add(new Token(kind, text, _line));
        MoveTo(end);
    }

    private void MoveTo(int position)
    {
        _line += _source.AsSpan(_position, position - _position).Count('\n');
        _position = position;
    }

    private TemplateError Error(string what) => new(what, _line);
}
