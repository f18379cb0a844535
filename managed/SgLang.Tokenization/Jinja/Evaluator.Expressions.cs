namespace SgLang.Tokenization.Jinja;

internal sealed partial class Evaluator
{
    private object? Evaluate(Expression expression)
    {
        Step(expression);
        try
        {
            return Dispatch(expression);
        }
        catch (TemplateError e) when (e.Line == 0)
        {
            throw new TemplateError(e.Message, expression.Line) { IsRaised = e.IsRaised };
        }
    }

    private object? Dispatch(Expression expression)
    {
        switch (expression)
        {
            case LiteralExpression literal:
                return literal.Value;
            case NameExpression name:
                return _scope.Find(name.Name);
            case CapturedExpression:
                return _captured;
            case ListExpression list:
                List<object?> items = [.. list.Items.Select(Evaluate)];
                return list.IsTuple ? new TupleValue(items) : items;
            case DictExpression dict:
                var members = new DictValue();
                foreach ((Expression key, Expression value) in dict.Items)
                {
                    members.Set(Evaluate(key), Evaluate(value));
                }

                return members;
            case AttributeExpression attribute:
                return Attribute(Evaluate(attribute.Target), attribute.Name);
            case IndexExpression index:
                return Index(Evaluate(index.Target), Evaluate(index.Index));
            case SliceExpression slice:
                return Sequences.Slice(Charge(slice, Evaluate(slice.Target)), Bound(slice.Start), Bound(slice.Stop), Bound(slice.Step));
            case CallExpression call:
                return Charge(call, Call(Evaluate(call.Target), EvaluateArguments(call.Arguments)));
            case FilterExpression filter:
                return EvaluateFilter(filter);
            case TestExpression test:
                object? tested = Evaluate(test.Target);
                return Tests.Run(test.Name, tested, EvaluateArguments(test.Arguments)) != test.Negated;
            case UnaryExpression unary:
                object? operand = Evaluate(unary.Operand);
                return unary.Operator switch
                {
                    UnaryOperator.Not => !Operations.IsTrue(operand),
                    UnaryOperator.Minus => Operations.Negate(operand),
                    _ => Operations.Negate(Operations.Negate(operand)),
                };
            case BinaryExpression binary:
                return EvaluateBinary(binary);
            case CompareExpression compare:
                return EvaluateCompare(compare);
            case ConditionalExpression conditional:
                return Operations.IsTrue(Evaluate(conditional.Test)) ? Evaluate(conditional.Value)
                    : conditional.Otherwise is null ? new Undefined("", "the inline if was false and has no else")
                    : Evaluate(conditional.Otherwise);
            default:
                throw new TemplateError($"unexpected {expression.GetType().Name}", expression.Line);
        }
    }

    private object? EvaluateBinary(BinaryExpression binary)
    {
        object? left = Evaluate(binary.Left);
        return binary.Operator switch
        {
            "and" => Operations.IsTrue(left) ? Evaluate(binary.Right) : left,
            "or" => Operations.IsTrue(left) ? left : Evaluate(binary.Right),
            _ => Charge(binary, Operations.Binary(binary.Operator, left, Evaluate(binary.Right))),
        };
    }

    private object? EvaluateCompare(CompareExpression compare)
    {
        object? left = Evaluate(compare.First);
        foreach ((string symbol, Expression operand) in compare.Rest)
        {
            object? right = Charge(compare, Evaluate(operand));
            bool holds = symbol switch
            {
                "==" => Operations.AreEqual(left, right),
                "!=" => !Operations.AreEqual(left, right),
                "in" => Operations.Contains(right, left),
                "not in" => !Operations.Contains(right, left),
                "<" => Operations.Compare(left, right) < 0,
                ">" => Operations.Compare(left, right) > 0,
                "<=" => Operations.Compare(left, right) <= 0,
                _ => Operations.Compare(left, right) >= 0,
            };
            if (!holds)
            {
                return false;
            }

            left = right;
        }

        return true;
    }

    private object? EvaluateFilter(FilterExpression filter)
    {
        object? input = Charge(filter, Evaluate(filter.Target));
        return Charge(filter, Filters.Run(this, filter.Name, input, EvaluateArguments(filter.Arguments)));
    }

    private Arguments EvaluateArguments(Argument[] arguments)
    {
        var result = new Arguments();
        foreach (Argument argument in arguments)
        {
            object? value = Evaluate(argument.Value);
            if (argument.Spread == 1)
            {
                result.Positional.AddRange(Sequences.Items(value));
            }
            else if (argument.Spread == 2)
            {
                foreach ((object? key, object? member) in (value as DictValue ?? throw new TemplateError("** needs a dict")).Items)
                {
                    result.Named[Text.Of(key)] = member;
                }
            }
            else if (argument.Name is not null)
            {
                result.Named[argument.Name] = value;
            }
            else
            {
                result.Positional.Add(value);
            }
        }

        return result;
    }

    private int? Bound(Expression? bound) => bound is not null && Evaluate(bound) is { } value ? Operations.ToIndex(value, "a slice's bound") : null;

    /// <summary>value.name: a method or attribute first, then an item of that key.</summary>
    public static object? Attribute(object? value, string name)
    {
        switch (value)
        {
            case Undefined undefined:
                throw new TemplateError(undefined.Reason);
            case NamespaceValue space:
                return space.Attributes.TryGetValue(name, out object? attribute) ? attribute : new Undefined(name, $"the namespace has no attribute '{name}'");
            case LoopValue loop:
                return loop.Attribute(name);
        }

        FunctionValue? method = Methods.Find(value, name);
        if (method is not null)
        {
            return method;
        }

        return value is DictValue dict && dict.TryGet(name, out object? item) ? item : new Undefined(name, $"'{Operations.TypeName(value)} object' has no attribute '{name}'");
    }

    /// <summary>value[index]: an item first, then an attribute of that name.</summary>
    public static object? Index(object? value, object? index)
    {
        if (value is Undefined undefined)
        {
            throw new TemplateError(undefined.Reason);
        }

        if (value is DictValue dict && index is not (List<object?> or DictValue) && dict.TryGet(index, out object? item))
        {
            return item;
        }

        if (index is string name)
        {
            return Attribute(value, name);
        }

        if (index is long or bool && value is not DictValue)
        {
            (bool found, object? member) = Sequences.At(value, index is long number ? number : index is true ? 1 : 0);
            if (found)
            {
                return member;
            }
        }

        return new Undefined(Text.Of(index), $"'{Operations.TypeName(value)} object' has no element {Text.Repr(index)}");
    }

    public static object? Call(object? target, Arguments arguments) => target switch
    {
        FunctionValue function => function.Call(arguments),
        Undefined undefined => throw new TemplateError(undefined.Reason),
        _ => throw new TemplateError($"'{Operations.TypeName(target)}' cannot be called"),
    };
}
