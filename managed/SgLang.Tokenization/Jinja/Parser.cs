namespace SgLang.Tokenization.Jinja;

/// <summary>Tokens to syntax tree. Statements are here, expressions in Parser.Expressions.cs.</summary>
internal sealed partial class Parser
{
    /// <summary>Far beyond any real template; keeps recursion within a thread's stack.</summary>
    private const int MaxDepth = 120;

    private readonly List<Token> _tokens;
    private int _position;
    private int _depth;
    private int _loopDepth;

    private Parser(List<Token> tokens) => _tokens = tokens;

    /// <exception cref="TemplateError"/>
    public static Statement[] Parse(string source)
    {
        var parser = new Parser(Lexer.Tokenize(source));
        Statement[] body = parser.ParseUntil();
        return parser.Current.Kind == TokenKind.End ? body : throw parser.Unexpected();
    }

    private Token Current => _tokens[_position];

    private Token Peek => _tokens[Math.Min(_position + 1, _tokens.Count - 1)];

    /// <summary>Statements up to a block tag that begins with one of <paramref name="ends"/> (the tag's opening is taken, its name is not), or the end.</summary>
    private Statement[] ParseUntil(params string[] ends)
    {
        Enter();
        var body = new List<Statement>();
        while (Current.Kind != TokenKind.End)
        {
            Token token = Take();
            switch (token.Kind)
            {
                case TokenKind.Data:
                    body.Add(new DataStatement(token.Text, token.Line));
                    break;
                case TokenKind.VariableBegin:
                    body.Add(new OutputStatement(ParseTupleOrExpression(), token.Line));
                    Expect(TokenKind.VariableEnd, "}}");
                    break;
                default:
                    if (Current.Kind == TokenKind.Name && ends.Contains(Current.Text))
                    {
                        _depth--;
                        return [.. body];
                    }

                    body.Add(ParseStatement());
                    break;
            }
        }

        _depth--;
        return ends.Length == 0 ? [.. body] : throw new TemplateError($"the template ends where {{% {string.Join(" %} or {% ", ends)} %}} is expected", Current.Line);
    }

    private Statement ParseStatement()
    {
        Token name = ExpectName();
        switch (name.Text)
        {
            case "for":
                return ParseFor(name.Line);
            case "if":
                return ParseIf(name.Line);
            case "set":
                return ParseSet(name.Line);
            case "macro":
                return ParseMacro(name.Line);
            case "call":
                return ParseCall(name.Line);
            case "filter":
                Expression filter = ParseFilters(new CapturedExpression(name.Line), needsPipe: false);
                EndTag();
                return new FilterBlockStatement(filter, ParseBody("endfilter"), name.Line);
            case "with":
                return ParseWith(name.Line);
            case "generation":
                EndTag();
                return new ScopeStatement(ParseBody("endgeneration"), name.Line);
            case "break" or "continue":
                if (_loopDepth == 0)
                {
                    throw new TemplateError($"{{% {name.Text} %}} outside a loop", name.Line);
                }

                EndTag();
                return new LoopControlStatement(name.Text == "break", name.Line);
            default:
                throw new TemplateError($"unknown or misplaced tag {{% {name.Text} %}}", name.Line);
        }
    }

    private Statement[] ParseBody(string end)
    {
        Statement[] body = ParseUntil(end);
        Take();
        EndTag();
        return body;
    }

    private ForStatement ParseFor(int line)
    {
        Target target = ParseTarget();
        ExpectKeyword("in");
        Expression items = ParseTupleOrExpression(withCondition: false);
        Expression? filter = TryKeyword("if") ? ParseExpression() : null;
        if (TryKeyword("recursive"))
        {
            throw new TemplateError("recursive loops are not supported", line);
        }

        EndTag();
        _loopDepth++;
        Statement[] body = ParseUntil("else", "endfor");
        _loopDepth--;
        Statement[] orelse = [];
        if (Take().Text == "else")
        {
            EndTag();
            orelse = ParseUntil("endfor");
            Take();
        }

        EndTag();
        return new ForStatement(target, items, filter, body, orelse, line);
    }

    private IfStatement ParseIf(int line)
    {
        Enter();
        Expression test = ParseTupleOrExpression();
        EndTag();
        Statement[] body = ParseUntil("elif", "else", "endif");
        Token next = Take();
        Statement[] orelse = [];
        if (next.Text == "elif")
        {
            orelse = [ParseIf(next.Line)]; // takes the endif
        }
        else
        {
            if (next.Text == "else")
            {
                EndTag();
                orelse = ParseUntil("endif");
                Take();
            }

            EndTag();
        }

        _depth--;
        return new IfStatement(test, body, orelse, line);
    }

    private Statement ParseSet(int line)
    {
        Target target = ParseTarget(allowAttribute: true);
        if (TryOperator("="))
        {
            Expression value = ParseTupleOrExpression();
            EndTag();
            return new SetStatement(target, value, line);
        }

        Expression captured = ParseFilters(new CapturedExpression(line), needsPipe: true);
        EndTag();
        return new SetBlockStatement(target, captured, ParseBody("endset"), line);
    }

    private MacroStatement ParseMacro(int line)
    {
        string name = ExpectName().Text;
        Parameter[] parameters = ParseParameters();
        EndTag();
        return new MacroStatement(name, parameters, ParseMacroBody("endmacro"), line);
    }

    private CallBlockStatement ParseCall(int line)
    {
        Parameter[] parameters = Current.Is(TokenKind.Operator, "(") ? ParseParameters() : [];
        CallExpression call = ParseExpression() as CallExpression ?? throw new TemplateError("{% call %} needs a call, as in {% call macro() %}", line);
        EndTag();
        return new CallBlockStatement(call, parameters, ParseMacroBody("endcall"), line);
    }

    /// <summary>A loop around a macro is none of the macro's.</summary>
    private Statement[] ParseMacroBody(string end)
    {
        (int outer, _loopDepth) = (_loopDepth, 0);
        Statement[] body = ParseBody(end);
        _loopDepth = outer;
        return body;
    }

    private WithStatement ParseWith(int line)
    {
        var bindings = new List<(Target, Expression)>();
        while (Current.Kind != TokenKind.BlockEnd)
        {
            if (bindings.Count > 0)
            {
                ExpectOperator(",");
            }

            Target target = ParseTarget();
            ExpectOperator("=");
            bindings.Add((target, ParseExpression()));
        }

        EndTag();
        return new WithStatement([.. bindings], ParseBody("endwith"), line);
    }

    private Parameter[] ParseParameters()
    {
        ExpectOperator("(");
        var parameters = new List<Parameter>();
        while (!TryOperator(")"))
        {
            if (parameters.Count > 0)
            {
                ExpectOperator(",");
            }

            string name = ExpectName().Text;
            Expression? fallback = TryOperator("=") ? ParseExpression() : null;
            if (fallback is null && parameters.Count > 0 && parameters[^1].Default is not null)
            {
                throw new TemplateError($"parameter {name} without a default follows one with a default", Current.Line);
            }

            parameters.Add(new Parameter(name, fallback));
        }

        return [.. parameters];
    }

    private Target ParseTarget(bool allowAttribute = false)
    {
        var items = new List<Target>();
        bool isTuple = false;
        do
        {
            if (items.Count > 0 && (Current.Kind != TokenKind.Name && !Current.Is(TokenKind.Operator, "(")))
            {
                break; // a trailing comma
            }

            if (TryOperator("("))
            {
                items.Add(ParseTarget());
                ExpectOperator(")");
            }
            else
            {
                string name = ExpectName().Text;
                items.Add(allowAttribute && TryOperator(".") ? new AttributeTarget(name, ExpectName().Text) : new NameTarget(name));
            }

            isTuple |= Current.Is(TokenKind.Operator, ",");
        }
        while (TryOperator(","));

        return isTuple ? new TupleTarget([.. items]) : items[0];
    }

    private void EndTag() => Expect(TokenKind.BlockEnd, "%}");

    private Token Take() => Current.Kind == TokenKind.End ? throw Unexpected() : _tokens[_position++];

    private Token ExpectName() => Current.Kind == TokenKind.Name ? Take() : throw Unexpected("a name");

    private void ExpectKeyword(string word)
    {
        if (!TryKeyword(word))
        {
            throw Unexpected(word);
        }
    }

    private bool TryKeyword(string word) => TryTake(TokenKind.Name, word);

    private void ExpectOperator(string symbol) => Expect(TokenKind.Operator, symbol);

    private bool TryOperator(string symbol) => TryTake(TokenKind.Operator, symbol);

    private void Expect(TokenKind kind, string text)
    {
        if (!TryTake(kind, text))
        {
            throw Unexpected(text);
        }
    }

    private bool TryTake(TokenKind kind, string text)
    {
        if (!Current.Is(kind, text))
        {
            return false;
        }

        _position++;
        return true;
    }

    private void Enter()
    {
        if (++_depth > MaxDepth)
        {
            throw new TemplateError($"nested more than {MaxDepth} levels deep", Current.Line);
        }
    }

    private TemplateError Unexpected(string? expected = null) =>
        new(expected is null ? $"unexpected {Current.Text}" : $"{expected} is expected, not {Current.Text}", Current.Line);
}
