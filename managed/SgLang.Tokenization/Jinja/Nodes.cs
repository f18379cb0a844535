namespace SgLang.Tokenization.Jinja;

/// <summary>Syntax tree of a template. Lines count from 1.</summary>
internal abstract record Node(int Line);

internal abstract record Statement(int Line) : Node(Line);

internal sealed record DataStatement(string Text, int Line) : Statement(Line);

internal sealed record OutputStatement(Expression Value, int Line) : Statement(Line);

/// <param name="Orelse">Runs when there was no iteration.</param>
internal sealed record ForStatement(Target Target, Expression Items, Expression? Filter, Statement[] Body, Statement[] Orelse, int Line) : Statement(Line);

internal sealed record IfStatement(Expression Test, Statement[] Body, Statement[] Orelse, int Line) : Statement(Line);

internal sealed record SetStatement(Target Target, Expression Value, int Line) : Statement(Line);

/// <summary>{% set x | filter %}...{% endset %}. The filters' innermost operand is <see cref="CapturedExpression"/>.</summary>
internal sealed record SetBlockStatement(Target Target, Expression Value, Statement[] Body, int Line) : Statement(Line);

/// <summary>{% filter f %}...{% endfilter %}</summary>
internal sealed record FilterBlockStatement(Expression Value, Statement[] Body, int Line) : Statement(Line);

internal sealed record MacroStatement(string Name, Parameter[] Parameters, Statement[] Body, int Line) : Statement(Line);

internal sealed record CallBlockStatement(CallExpression Call, Parameter[] Parameters, Statement[] Body, int Line) : Statement(Line);

internal sealed record WithStatement((Target Target, Expression Value)[] Bindings, Statement[] Body, int Line) : Statement(Line);

/// <summary>A tag that only brackets its body, such as {% generation %}.</summary>
internal sealed record ScopeStatement(Statement[] Body, int Line) : Statement(Line);

internal sealed record LoopControlStatement(bool IsBreak, int Line) : Statement(Line);

internal sealed record Parameter(string Name, Expression? Default);

internal abstract record Target;

internal sealed record NameTarget(string Name) : Target;

internal sealed record AttributeTarget(string Name, string Attribute) : Target;

internal sealed record TupleTarget(Target[] Items) : Target;

internal abstract record Expression(int Line) : Node(Line);

internal sealed record LiteralExpression(object? Value, int Line) : Expression(Line);

internal sealed record NameExpression(string Name, int Line) : Expression(Line);

/// <summary>The rendered body of the enclosing set or filter block.</summary>
internal sealed record CapturedExpression(int Line) : Expression(Line);

internal sealed record ListExpression(Expression[] Items, bool IsTuple, int Line) : Expression(Line);

internal sealed record DictExpression((Expression Key, Expression Value)[] Items, int Line) : Expression(Line);

internal sealed record AttributeExpression(Expression Target, string Name, int Line) : Expression(Line);

internal sealed record IndexExpression(Expression Target, Expression Index, int Line) : Expression(Line);

internal sealed record SliceExpression(Expression Target, Expression? Start, Expression? Stop, Expression? Step, int Line) : Expression(Line);

internal sealed record CallExpression(Expression Target, Argument[] Arguments, int Line) : Expression(Line);

/// <summary><paramref name="Name"/> null: positional. <paramref name="Spread"/>: 1 for *list, 2 for **dict.</summary>
internal sealed record Argument(string? Name, Expression Value, int Spread = 0);

internal sealed record FilterExpression(Expression Target, string Name, Argument[] Arguments, int Line) : Expression(Line);

internal sealed record TestExpression(Expression Target, string Name, Argument[] Arguments, bool Negated, int Line) : Expression(Line);

internal enum UnaryOperator { Not, Minus, Plus }

internal sealed record UnaryExpression(UnaryOperator Operator, Expression Operand, int Line) : Expression(Line);

internal sealed record BinaryExpression(string Operator, Expression Left, Expression Right, int Line) : Expression(Line);

/// <summary>a &lt; b &lt;= c: each operand is evaluated once.</summary>
internal sealed record CompareExpression(Expression First, (string Operator, Expression Operand)[] Rest, int Line) : Expression(Line);

internal sealed record ConditionalExpression(Expression Test, Expression Value, Expression? Otherwise, int Line) : Expression(Line);
