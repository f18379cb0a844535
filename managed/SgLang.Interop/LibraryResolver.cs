using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SgLang.Interop;

/// <summary>
/// Finds libsgl and refuses one built from other headers. In order: the file or folder named by SGL_LIBRARY_PATH, and then
/// nothing else; beside the application; `runtimes/RID/native` below it; the system's own search.
/// </summary>
public static class LibraryResolver
{
    public const string PathVariable = "SGL_LIBRARY_PATH";

    private const string LibraryName = "sgl";

    private static readonly Lock s_gate = new();
    private static nint s_handle;

    /// <summary>File of the loaded library; null until it is loaded, or where the system's search found it.</summary>
    public static string? LoadedPath { get; private set; }

    private static string FileName =>
        OperatingSystem.IsWindows() ? "sgl.dll" : OperatingSystem.IsMacOS() ? "libsgl.dylib" : "libsgl.so";

    /// <summary>Loads and checks the library now, so that a program fails at start-up and not at its first operator.</summary>
    /// <exception cref="SglLibraryException">It is nowhere, does not load, or has another ABI.</exception>
    public static void EnsureLoaded() => Resolve(LibraryName, typeof(LibraryResolver).Assembly, null);

    // NOTE: a library should not have module initializers, except that the resolver must be there before the first P/Invoke
    // of this assembly, wherever that is, and a static constructor would cost a check on every call.
    [SuppressMessage("Usage", "CA2255:The 'ModuleInitializer' attribute should not be used in libraries")]
    [ModuleInitializer]
    internal static void Register() => NativeLibrary.SetDllImportResolver(typeof(LibraryResolver).Assembly, Resolve);

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? searchPath)
    {
        if (name != LibraryName)
        {
            return 0;
        }
        lock (s_gate)
        {
            if (s_handle == 0)
            {
                LoadedLibrary library = Load(
                    Environment.GetEnvironmentVariable(PathVariable),
                    AppContext.BaseDirectory,
                    () => NativeLibrary.TryLoad(LibraryName, assembly, searchPath, out nint handle) ? handle : 0,
                    SglAbi.Hash);
                LoadedPath = library.Path;
                s_handle = library.Handle;
            }
            return s_handle;
        }
    }

    /// <summary>Finds and loads the library and compares its ABI hash with `expectedHash`.</summary>
    /// <param name="pathVariable">Value of SGL_LIBRARY_PATH; null or empty where it is not set.</param>
    /// <param name="systemSearch">The system's own search: a handle, or 0 where it finds nothing.</param>
    internal static LoadedLibrary Load(string? pathVariable, string applicationFolder, Func<nint> systemSearch, ulong expectedHash)
    {
        LoadedLibrary library = Find(pathVariable, applicationFolder, systemSearch);
        AbiCheck.Verify(library.Handle, library.Path ?? $"{FileName} (found by the system's library search)", expectedHash);
        return library;
    }

    // The first candidate that exists must load: a broken library beside the application is never passed over in silence.
    private static LoadedLibrary Find(string? pathVariable, string applicationFolder, Func<nint> systemSearch)
    {
        IReadOnlyList<string> candidates = Candidates(pathVariable, applicationFolder);
        if (candidates.FirstOrDefault(File.Exists) is { } path)
        {
            return new LoadedLibrary(LoadFile(path), path);
        }
        bool isSet = !string.IsNullOrEmpty(pathVariable);
        if (!isSet && systemSearch() is var handle and not 0)
        {
            return new LoadedLibrary(handle, null);
        }
        string looked = string.Join("\n  ", candidates);
        throw new SglLibraryException(isSet
            ? $"{PathVariable}={pathVariable}, but there is no {FileName}. Looked at:\n  {looked}\n" +
              $"Set {PathVariable} to the library's file or folder, or unset it."
            : $"{FileName} was not found. Looked at:\n  {looked}\n  the system's library search\n" +
              $"Build it with ./build.sh, or name its file or folder in {PathVariable}.");
    }

    internal static IReadOnlyList<string> Candidates(string? pathVariable, string applicationFolder) =>
        string.IsNullOrEmpty(pathVariable)
            ? [Path.Combine(applicationFolder, FileName), Path.Combine(applicationFolder, "runtimes", RuntimeId, "native", FileName)]
            : File.Exists(pathVariable) ? [pathVariable] : [Path.Combine(pathVariable, FileName)];

    /// <summary>The portable id: `linux-x64`, not the distribution's.</summary>
    private static string RuntimeId
    {
        get
        {
            string system = OperatingSystem.IsWindows() ? "win" : OperatingSystem.IsMacOS() ? "osx" : "linux";
            return $"{system}-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";
        }
    }

    private static nint LoadFile(string path)
    {
        try
        {
            return NativeLibrary.Load(Path.GetFullPath(path));
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
        {
            throw new SglLibraryException($"{path} exists but does not load: {e.Message}", e);
        }
    }
}

/// <summary>A loaded library and its file; the path is null where the system's search found it.</summary>
internal readonly record struct LoadedLibrary(nint Handle, string? Path);
