namespace SgLang.Grammars.Syntax;

/// <summary>The rules of a grammar, by number. A rule may be called before it is defined.</summary>
internal sealed class RuleSet
{
    private readonly List<(string Name, Node? Body)> _rules = [];

    public int Count => _rules.Count;
    public int Root { get; set; }

    public int Declare(string name)
    {
        _rules.Add((name, null));
        return _rules.Count - 1;
    }

    public void Define(int rule, Node body) => _rules[rule] = (_rules[rule].Name, body);

    public int Add(string name, Node body)
    {
        int rule = Declare(name);
        Define(rule, body);
        return rule;
    }

    public string Name(int rule) => _rules[rule].Name;

    public Node Body(int rule) => _rules[rule].Body ?? throw new GrammarException($"rule '{_rules[rule].Name}' is used but not defined");
}
