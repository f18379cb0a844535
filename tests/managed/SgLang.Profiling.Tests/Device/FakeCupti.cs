using System.Runtime.InteropServices;

namespace SgLang.Profiling.Tests.Device;

/// <summary>A device that does what a test says, seen through tests/native/profile/fake_cupti.cc. One trace at a time.</summary>
internal sealed partial class FakeCupti : IDisposable
{
    /// <summary>A collection of tests, of which one runs at a time.</summary>
    public const string Tests = "fake CUPTI";
    public const uint LaunchKernel = 211;
    public const uint GraphLaunch = 311;
    private const string Library = "libfake_cupti.so";

    public FakeCupti(long bufferBytes = 0, long maxBytes = 0)
    {
        string path = Path.Combine(AppContext.BaseDirectory, Library);
        Assert.SkipUnless(File.Exists(path), $"{path} is missing: build the native tests (SGL_BUILD_TESTS=ON)");
        Trace = DeviceTrace.TryOpen(path, bufferBytes, maxBytes, out string reason)!;
        Assert.True(Trace is not null, reason);
    }

    public DeviceTrace Trace { get; }

    /// <summary>A call on this thread that begins and ends now.</summary>
    public static void Call(uint correlation, uint callback = LaunchKernel)
    {
        ulong now = Now();
        Call(1, callback, now, Now(), (uint)GetTid(), correlation);
    }

    [LibraryImport(Library, EntryPoint = "fake_cupti_now")]
    public static partial ulong Now();

    [LibraryImport(Library, EntryPoint = "fake_cupti_kernel", StringMarshalling = StringMarshalling.Utf8)]
    private static partial void Kernel(nint name, ulong start, ulong end, uint stream, uint correlation, ulong graphNode);

    [LibraryImport(Library, EntryPoint = "fake_cupti_copy")]
    public static partial void Copy(ulong start, ulong end, uint stream, uint correlation, ulong bytes);

    [LibraryImport(Library, EntryPoint = "fake_cupti_call")]
    private static partial void Call(uint isRuntime, uint callback, ulong start, ulong end, uint thread, uint correlation);

    [LibraryImport(Library, EntryPoint = "fake_cupti_sync")]
    public static partial void Sync(uint type, ulong start, ulong end, uint stream, uint correlation);

    [LibraryImport("libc", EntryPoint = "gettid")]
    private static partial int GetTid();

    /// <param name="name">CUPTI keeps kernels' names for good, and so does this.</param>
    public static void Kernel(string name, ulong start, ulong end, uint stream, uint correlation, ulong graphNode = 0) =>
        Kernel(Marshal.StringToCoTaskMemUTF8(name), start, end, stream, correlation, graphNode);

    public void Dispose() => Trace.Dispose();
}
