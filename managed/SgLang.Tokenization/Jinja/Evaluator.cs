using System.Runtime.CompilerServices;
using System.Text;

namespace SgLang.Tokenization.Jinja;

/// <summary>Runs a template once. Statements are here, expressions in Evaluator.Expressions.cs.</summary>
internal sealed partial class Evaluator
{
    /// <summary>
    /// Statements, expressions, iterations and items handled before a template is taken to run for ever. A long real conversation needs some ten thousand.
    /// </summary>
    private const int MaxSteps = 5_000_000;

    private const int MaxOutput = 64 << 20;

    private readonly TimeProvider _time;
    private StringBuilder _output = new();
    private Scope _scope;
    private string? _captured;
    private long _steps;

    private Evaluator(Scope globals, TimeProvider time)
    {
        _scope = new Scope(globals);
        _time = time;
    }

    private enum Flow { Next, Break, Continue }

    /// <exception cref="TemplateError"/>
    public static string Run(Statement[] template, IEnumerable<KeyValuePair<string, object?>> variables, TimeProvider time)
    {
        var globals = new Scope(null);
        var evaluator = new Evaluator(globals, time);
        evaluator.AddGlobals(globals);
        foreach ((string name, object? value) in variables)
        {
            globals.Set(name, value);
        }

        evaluator.Execute(template);
        return evaluator._output.ToString();
    }

    private Flow Execute(Statement[] body)
    {
        foreach (Statement statement in body)
        {
            Flow flow = Execute(statement);
            if (flow != Flow.Next)
            {
                return flow;
            }
        }

        return Flow.Next;
    }

    private Flow Execute(Statement statement)
    {
        Step(statement);
        try
        {
            return Dispatch(statement);
        }
        catch (TemplateError e) when (e.Line == 0)
        {
            throw new TemplateError(e.Message, statement.Line) { IsRaised = e.IsRaised };
        }
    }

    private Flow Dispatch(Statement statement)
    {
        switch (statement)
        {
            case DataStatement data:
                Write(data.Text);
                return Flow.Next;
            case OutputStatement output:
                Write(Text.Of(Evaluate(output.Value)));
                return Flow.Next;
            case IfStatement branch:
                return Execute(Operations.IsTrue(Evaluate(branch.Test)) ? branch.Body : branch.Orelse);
            case ForStatement loop:
                return ExecuteFor(loop);
            case SetStatement set:
                Assign(set.Target, Evaluate(set.Value));
                return Flow.Next;
            case SetBlockStatement set:
                Assign(set.Target, EvaluateCaptured(set.Value, set.Body));
                return Flow.Next;
            case FilterBlockStatement filter:
                Write(Text.Of(EvaluateCaptured(filter.Value, filter.Body)));
                return Flow.Next;
            case MacroStatement macro:
                _scope.Set(macro.Name, MakeMacro(macro.Name, macro.Parameters, macro.Body, caller: null));
                return Flow.Next;
            case CallBlockStatement block:
                ExecuteCallBlock(block);
                return Flow.Next;
            case WithStatement with:
                return ExecuteWith(with);
            case ScopeStatement scope:
                return Execute(scope.Body);
            case LoopControlStatement control:
                return control.IsBreak ? Flow.Break : Flow.Continue;
            default:
                throw new TemplateError($"unexpected {statement.GetType().Name}", statement.Line);
        }
    }

    private Flow ExecuteFor(ForStatement loop)
    {
        List<object?> items = Sequences.Items(Evaluate(loop.Items));
        Scope outer = _scope;
        if (loop.Filter is not null)
        {
            items = [.. items.Where(item =>
            {
                Step(loop);
                _scope = new Scope(outer);
                Assign(loop.Target, item);
                bool isKept = Operations.IsTrue(Evaluate(loop.Filter));
                _scope = outer;
                return isKept;
            })];
        }

        var state = new LoopValue(items);
        Flow flow = Flow.Next;
        for (int i = 0; i < items.Count && flow != Flow.Break; i++)
        {
            Step(loop);
            state.Index = i;
            _scope = new Scope(outer);
            _scope.Set("loop", state);
            Assign(loop.Target, items[i]);
            flow = Execute(loop.Body);
        }

        _scope = outer;
        return items.Count == 0 ? Execute(loop.Orelse) : Flow.Next;
    }

    private Flow ExecuteWith(WithStatement with)
    {
        Scope outer = _scope;
        var inner = new Scope(outer);
        foreach ((Target target, Expression value) in with.Bindings)
        {
            object? bound = Evaluate(value);
            _scope = inner;
            Assign(target, bound);
            _scope = outer;
        }

        _scope = inner;
        Flow flow = Execute(with.Body);
        _scope = outer;
        return flow;
    }

    private void ExecuteCallBlock(CallBlockStatement block)
    {
        object? target = Evaluate(block.Call.Target);
        Arguments arguments = EvaluateArguments(block.Call.Arguments);
        arguments.Named["caller"] = MakeMacro("caller", block.Parameters, block.Body, caller: null);
        Write(Text.Of(Call(target, arguments)));
    }

    private FunctionValue MakeMacro(string name, Parameter[] parameters, Statement[] body, object? caller)
    {
        Scope definition = _scope;
        return new FunctionValue(name, arguments =>
        {
            var scope = new Scope(definition);
            scope.Set("caller", arguments.Named.GetValueOrDefault("caller", caller ?? Undefined.Variable("caller")));
            scope.Set("varargs", new TupleValue(arguments.Positional.Skip(parameters.Length)));
            var rest = new DictValue();
            foreach ((string key, object? value) in arguments.Named)
            {
                if (key != "caller" && !parameters.Any(parameter => parameter.Name == key))
                {
                    rest.Set(key, value);
                }
            }

            scope.Set("kwargs", rest);
            (Scope outer, _scope) = (_scope, scope);
            for (int i = 0; i < parameters.Length; i++)
            {
                Parameter parameter = parameters[i];
                scope.Set(parameter.Name, arguments.Has(i, parameter.Name) ? arguments.Get(i, parameter.Name)
                    : parameter.Default is null ? Undefined.Variable(parameter.Name) : Evaluate(parameter.Default));
            }

            string text = Capture(body);
            _scope = outer;
            return text;
        });
    }

    private object? EvaluateCaptured(Expression value, Statement[] body)
    {
        (string? outer, _captured) = (_captured, CaptureInScope(body));
        object? result = Evaluate(value);
        _captured = outer;
        return result;
    }

    private string CaptureInScope(Statement[] body)
    {
        Scope outer = _scope;
        _scope = new Scope(outer);
        string text = Capture(body);
        _scope = outer;
        return text;
    }

    private string Capture(Statement[] body)
    {
        (StringBuilder outer, _output) = (_output, new StringBuilder());
        Execute(body);
        (string text, _output) = (_output.ToString(), outer);
        return text;
    }

    private void Assign(Target target, object? value)
    {
        switch (target)
        {
            case NameTarget name:
                _scope.Set(name.Name, value);
                break;
            case AttributeTarget attribute:
                object? holder = _scope.Find(attribute.Name);
                (holder as NamespaceValue ?? throw new TemplateError($"{attribute.Name}.{attribute.Attribute} cannot be set: only a namespace's attributes can")).Attributes[attribute.Attribute] = value;
                break;
            case TupleTarget tuple:
                List<object?> items = Sequences.Items(value);
                if (items.Count != tuple.Items.Length)
                {
                    throw new TemplateError($"{items.Count} values cannot be assigned to {tuple.Items.Length} names");
                }

                for (int i = 0; i < items.Count; i++)
                {
                    Assign(tuple.Items[i], items[i]);
                }

                break;
        }
    }

    private void Write(string text)
    {
        if (_output.Length + text.Length > MaxOutput)
        {
            throw new TemplateError($"the output is longer than {MaxOutput} characters");
        }

        _output.Append(text);
    }

    private void Step(Node node)
    {
        _steps++;
        CheckSteps(node);

        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
        {
            throw new TemplateError("the template nests or calls itself too deeply", node.Line);
        }
    }

    /// <summary>Counts the work that a value's size stands for, so that a few steps on long lists and strings are not free.</summary>
    private object? Charge(Node node, object? value)
    {
        _steps += value switch
        {
            string text => text.Length / 64,
            List<object?> list => list.Count,
            DictValue dict => dict.Count,
            _ => 0,
        };
        CheckSteps(node);
        return value;
    }

    private void CheckSteps(Node node)
    {
        if (_steps > MaxSteps)
        {
            throw new TemplateError($"the template does not end: more than {MaxSteps} steps", node.Line);
        }
    }

    /// <summary>Variables; an inner scope's assignments do not reach the outer one.</summary>
    private sealed class Scope(Scope? outer)
    {
        private readonly Dictionary<string, object?> _variables = [];

        public void Set(string name, object? value) => _variables[name] = value;

        public object? Find(string name)
        {
            for (Scope? scope = this; scope is not null; scope = scope.Outer)
            {
                if (scope._variables.TryGetValue(name, out object? value))
                {
                    return value;
                }
            }

            return Undefined.Variable(name);
        }

        private Scope? Outer => outer;
    }
}
