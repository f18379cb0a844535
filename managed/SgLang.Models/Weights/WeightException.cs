namespace SgLang.Models;

/// <summary>Weight files that are damaged or do not fit the configuration. The message names the file and the tensor.</summary>
public sealed class WeightException(string message, Exception? inner = null) : Exception(message, inner);
