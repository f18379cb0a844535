using System.Runtime.InteropServices;

namespace SgLang.Profiling;

internal static partial class OsThread
{
    /// <summary>The kernel's number of the calling thread, which other tools show as well; the runtime's own number where there is none.</summary>
    public static int CurrentId() => OperatingSystem.IsLinux() ? GetTid() : Environment.CurrentManagedThreadId;

    [LibraryImport("libc", EntryPoint = "gettid")]
    private static partial int GetTid();
}
