namespace SgLang.Interop;

/// <summary>The native library is missing, cannot be loaded, or was built from other headers than these bindings.</summary>
public sealed class SglLibraryException(string message, Exception? cause = null) : Exception(message, cause);
