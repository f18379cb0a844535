using SgLang.Core;
using SgLang.Grammars.Automata;
using SgLang.Grammars.Ebnf;
using SgLang.Grammars.Json;
using SgLang.Grammars.Matching;
using SgLang.Grammars.Regex;
using SgLang.Grammars.Syntax;

namespace SgLang.Grammars;

/// <summary>From what a user wrote to a grammar that can be matched: rules, then one automaton, then masks as they are needed.</summary>
public static class GrammarCompiler
{
    /// <summary>What is wrong with a regular expression, or null.</summary>
    public static string? RegexError(string expression)
    {
        try
        {
            RegexParser.Parse(expression);
            return null;
        }
        catch (GrammarException error)
        {
            return error.Message;
        }
    }

    /// <param name="cancellation">Ends the work; taken for the time limit of <see cref="GrammarOptions.CompileTimeout"/>.</param>
    /// <exception cref="GrammarException">It is wrong, not supported, too large, or took too long.</exception>
    public static CompiledGrammar Compile(GrammarSpec spec, TokenVocabulary vocabulary, GrammarOptions options, CancellationToken cancellation)
    {
        var budget = new CompileBudget(options, cancellation);
        RuleSet rules = spec.Kind switch
        {
            GrammarKind.Regex => RegexParser.ParseWhole(spec.Text),
            GrammarKind.Ebnf => EbnfParser.Parse(spec.Text),
            GrammarKind.StructuralTag => StructuralTagTranslator.Translate(spec.Text, options, budget),
            _ => JsonSchemaTranslator.Translate(spec.Text, options, budget),
        };
        return new CompiledGrammar(PushdownAutomaton.Compile(rules, budget), vocabulary);
    }
}
