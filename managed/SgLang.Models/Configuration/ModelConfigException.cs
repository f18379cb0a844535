namespace SgLang.Models;

/// <summary>A model directory that cannot be served as it is. The message names the file, the key, the value seen and the values allowed.</summary>
public sealed class ModelConfigException(string message, Exception? inner = null) : Exception(message, inner);
