using System.Globalization;
using System.Numerics;

namespace SgLang.Tokenization.Jinja;

internal sealed partial class Parser
{
    private static readonly string[] s_comparisons = ["==", "!=", "<", ">", "<=", ">="];

    /// <summary>Names that end a test's argument-less form rather than being its argument.</summary>
    private static readonly string[] s_notArguments = ["else", "or", "and", "is", "if", "in", "not"];

    private Expression ParseTupleOrExpression(bool withCondition = true)
    {
        int line = Current.Line;
        Expression first = ParseExpression(withCondition);
        if (!Current.Is(TokenKind.Operator, ","))
        {
            return first;
        }

        var items = new List<Expression> { first };
        while (TryOperator(",") && !EndsTuple())
        {
            items.Add(ParseExpression(withCondition));
        }

        return new ListExpression([.. items], IsTuple: true, line);
    }

    private bool EndsTuple() => Current.Kind is TokenKind.VariableEnd or TokenKind.BlockEnd || Current.Is(TokenKind.Operator, ")");

    private Expression ParseExpression(bool withCondition = true)
    {
        Enter();
        int line = Current.Line;
        Expression value = ParseOr();
        while (withCondition && TryKeyword("if"))
        {
            Expression test = ParseOr();
            Expression? otherwise = TryKeyword("else") ? ParseExpression() : null;
            value = new ConditionalExpression(test, value, otherwise, line);
        }

        _depth--;
        return value;
    }

    private Expression ParseOr()
    {
        Expression left = ParseAnd();
        while (Current.Is(TokenKind.Name, "or"))
        {
            int line = Take().Line;
            left = new BinaryExpression("or", left, ParseAnd(), line);
        }

        return left;
    }

    private Expression ParseAnd()
    {
        Expression left = ParseNot();
        while (Current.Is(TokenKind.Name, "and"))
        {
            int line = Take().Line;
            left = new BinaryExpression("and", left, ParseNot(), line);
        }

        return left;
    }

    private Expression ParseNot()
    {
        if (!Current.Is(TokenKind.Name, "not"))
        {
            return ParseComparison();
        }

        Enter();
        int line = Take().Line;
        Expression operand = ParseNot();
        _depth--;
        return new UnaryExpression(UnaryOperator.Not, operand, line);
    }

    private Expression ParseComparison()
    {
        int line = Current.Line;
        Expression first = ParseSum();
        var rest = new List<(string, Expression)>();
        while (true)
        {
            if (Current.Kind == TokenKind.Operator && s_comparisons.Contains(Current.Text))
            {
                string symbol = Take().Text;
                rest.Add((symbol, ParseSum()));
            }
            else if (TryKeyword("in"))
            {
                rest.Add(("in", ParseSum()));
            }
            else if (Current.Is(TokenKind.Name, "not") && Peek.Is(TokenKind.Name, "in"))
            {
                _position += 2;
                rest.Add(("not in", ParseSum()));
            }
            else
            {
                return rest.Count == 0 ? first : new CompareExpression(first, [.. rest], line);
            }
        }
    }

    private Expression ParseSum() => ParseBinary(ParseConcatenation, "+", "-");

    private Expression ParseConcatenation() => ParseBinary(ParseProduct, "~");

    private Expression ParseProduct() => ParseBinary(ParsePower, "*", "/", "//", "%");

    private Expression ParsePower() => ParseBinary(() => ParseUnary(withFilters: true), "**");

    private Expression ParseBinary(Func<Expression> operand, params string[] symbols)
    {
        Expression left = operand();
        while (Current.Kind == TokenKind.Operator && symbols.Contains(Current.Text))
        {
            Token symbol = Take();
            left = new BinaryExpression(symbol.Text, left, operand(), symbol.Line);
        }

        return left;
    }

    private Expression ParseUnary(bool withFilters)
    {
        Enter();
        int line = Current.Line;
        Expression node = TryOperator("-") ? new UnaryExpression(UnaryOperator.Minus, ParseUnary(withFilters: false), line)
            : TryOperator("+") ? new UnaryExpression(UnaryOperator.Plus, ParseUnary(withFilters: false), line)
            : ParsePrimary();
        node = ParsePostfix(node);
        node = withFilters ? ParseFilters(node, needsPipe: true) : node;
        _depth--;
        return node;
    }

    private Expression ParsePrimary()
    {
        Token token = Take();
        switch (token.Kind)
        {
            case TokenKind.Name:
                return token.Text switch
                {
                    "true" or "True" => new LiteralExpression(true, token.Line),
                    "false" or "False" => new LiteralExpression(false, token.Line),
                    "none" or "None" => new LiteralExpression(null, token.Line),
                    _ => new NameExpression(token.Text, token.Line),
                };
            case TokenKind.String:
                string text = token.Text;
                while (Current.Kind == TokenKind.String)
                {
                    text += Take().Text;
                }

                return new LiteralExpression(text, token.Line);
            case TokenKind.Integer:
                return long.TryParse(token.Text, CultureInfo.InvariantCulture, out long number)
                    ? new LiteralExpression(number, token.Line)
                    : new LiteralExpression(BigInteger.Parse(token.Text, CultureInfo.InvariantCulture), token.Line);
            case TokenKind.Float:
                return new LiteralExpression(double.Parse(token.Text, CultureInfo.InvariantCulture), token.Line);
            case TokenKind.Operator when token.Text == "(":
                return ParseParenthesis(token.Line);
            case TokenKind.Operator when token.Text == "[":
                return new ListExpression([.. ParseItems("]", () => ParseExpression())], IsTuple: false, token.Line);
            case TokenKind.Operator when token.Text == "{":
                return new DictExpression([.. ParseItems("}", ParsePair)], token.Line);
            default:
                _position--;
                throw Unexpected("an expression");
        }
    }

    private Expression ParseParenthesis(int line)
    {
        if (TryOperator(")"))
        {
            return new ListExpression([], IsTuple: true, line);
        }

        Expression inner = ParseTupleOrExpression();
        ExpectOperator(")");
        return inner;
    }

    private (Expression Key, Expression Value) ParsePair()
    {
        Expression key = ParseExpression();
        ExpectOperator(":");
        return (key, ParseExpression());
    }

    private List<T> ParseItems<T>(string close, Func<T> parse)
    {
        var items = new List<T>();
        while (!TryOperator(close))
        {
            if (items.Count > 0)
            {
                ExpectOperator(",");
                if (TryOperator(close))
                {
                    break;
                }
            }

            items.Add(parse());
        }

        return items;
    }

    private Expression ParsePostfix(Expression node)
    {
        while (true)
        {
            int line = Current.Line;
            if (TryOperator("."))
            {
                Token name = Take();
                node = name.Kind switch
                {
                    TokenKind.Name => new AttributeExpression(node, name.Text, line),
                    TokenKind.Integer => new IndexExpression(node, new LiteralExpression(long.Parse(name.Text, CultureInfo.InvariantCulture), line), line),
                    _ => throw new TemplateError($"an attribute name is expected after the dot, not {name.Text}", line),
                };
            }
            else if (TryOperator("["))
            {
                node = ParseSubscript(node, line);
            }
            else if (Current.Is(TokenKind.Operator, "("))
            {
                node = new CallExpression(node, ParseArguments(), line);
            }
            else
            {
                return node;
            }
        }
    }

    private Expression ParseSubscript(Expression node, int line)
    {
        Expression? start = Current.Is(TokenKind.Operator, ":") ? null : ParseTupleOrExpression();
        if (start is not null && TryOperator("]"))
        {
            return new IndexExpression(node, start, line);
        }

        ExpectOperator(":");
        Expression? Bound() => Current.Is(TokenKind.Operator, ":") || Current.Is(TokenKind.Operator, "]") ? null : ParseExpression();
        Expression? stop = Bound();
        Expression? step = TryOperator(":") ? Bound() : null;
        ExpectOperator("]");
        return new SliceExpression(node, start, stop, step, line);
    }

    private Argument[] ParseArguments()
    {
        ExpectOperator("(");
        return [.. ParseItems(")", ParseArgument)];
    }

    private Argument ParseArgument()
    {
        if (TryOperator("*"))
        {
            return new Argument(null, ParseExpression(), Spread: 1);
        }

        if (TryOperator("**"))
        {
            return new Argument(null, ParseExpression(), Spread: 2);
        }

        if (Current.Kind == TokenKind.Name && Peek.Is(TokenKind.Operator, "="))
        {
            string name = Take().Text;
            Take();
            return new Argument(name, ParseExpression());
        }

        return new Argument(null, ParseExpression());
    }

    /// <summary>Filters, tests and calls after an operand. Without <paramref name="needsPipe"/> the first filter's name comes at once.</summary>
    private Expression ParseFilters(Expression node, bool needsPipe)
    {
        while (true)
        {
            int line = Current.Line;
            if (!needsPipe || TryOperator("|"))
            {
                needsPipe = true;
                string name = ParseDottedName();
                node = new FilterExpression(node, name, Current.Is(TokenKind.Operator, "(") ? ParseArguments() : [], line);
            }
            else if (TryKeyword("is"))
            {
                node = ParseTest(node, line);
            }
            else if (Current.Is(TokenKind.Operator, "("))
            {
                node = new CallExpression(node, ParseArguments(), line);
            }
            else
            {
                return node;
            }
        }
    }

    private TestExpression ParseTest(Expression node, int line)
    {
        bool negated = TryKeyword("not");
        string name = ParseDottedName();
        Argument[] arguments = [];
        if (Current.Is(TokenKind.Operator, "("))
        {
            arguments = ParseArguments();
        }
        else if (Current.Kind is TokenKind.String or TokenKind.Integer or TokenKind.Float || Current.Is(TokenKind.Operator, "[") || Current.Is(TokenKind.Operator, "{")
            || Current.Kind == TokenKind.Name && !s_notArguments.Contains(Current.Text))
        {
            arguments = [new Argument(null, ParsePostfix(ParsePrimary()))];
        }

        return new TestExpression(node, name, arguments, negated, line);
    }

    private string ParseDottedName()
    {
        string name = ExpectName().Text;
        while (TryOperator("."))
        {
            name += "." + ExpectName().Text;
        }

        return name;
    }
}
