namespace SgLang.Grammars;

/// <summary>A grammar that cannot be served; the message is for whoever wrote it.</summary>
public sealed class GrammarException(string message, Exception? inner = null) : Exception(message, inner);
