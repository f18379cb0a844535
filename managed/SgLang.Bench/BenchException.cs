namespace SgLang.Bench;

/// <summary>A benchmark that cannot be carried out; the message says what to change.</summary>
public class BenchException(string message) : Exception(message);
