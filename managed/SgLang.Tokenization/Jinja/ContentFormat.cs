namespace SgLang.Tokenization.Jinja;

/// <summary>Tells from a template's tree whether it takes a message's content as a list of parts: it does when a loop runs over that content.</summary>
internal static class ContentFormat
{
    public static bool IteratesContent(Statement[] template) => new Walker().Walk(template);

    private sealed class Walker
    {
        /// <summary>Variables that were set to a message's content.</summary>
        private readonly HashSet<string> _contents = [];

        public bool Walk(IEnumerable<Statement> statements)
        {
            foreach (Statement statement in statements)
            {
                if (statement is SetStatement { Target: NameTarget target } set && IsContent(set.Value))
                {
                    _contents.Add(target.Name);
                }

                bool found = statement switch
                {
                    ForStatement loop => IsContent(loop.Items) || Walk(loop.Body) || Walk(loop.Orelse),
                    IfStatement branch => Walk(branch.Body) || Walk(branch.Orelse),
                    SetBlockStatement block => Walk(block.Body),
                    FilterBlockStatement filter => Walk(filter.Body),
                    MacroStatement macro => Walk(macro.Body),
                    CallBlockStatement call => Walk(call.Body),
                    WithStatement with => Walk(with.Body),
                    ScopeStatement scope => Walk(scope.Body),
                    _ => false,
                };
                if (found)
                {
                    return true;
                }
            }

            return false;
        }

        private bool IsContent(Expression expression) => expression switch
        {
            AttributeExpression { Name: "content" } => true,
            IndexExpression { Index: LiteralExpression { Value: "content" } } => true,
            NameExpression name => _contents.Contains(name.Name),
            FilterExpression { Name: "selectattr" or "rejectattr" or "select" or "reject" or "list" } filter => IsContent(filter.Target),
            _ => false,
        };
    }
}
