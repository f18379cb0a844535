namespace SgLang.Integration.Tests;

/// <summary>The program on a CUDA part whose one device is the CPU (tests/native/abi/losable_cuda_part.cc).</summary>
internal static class FakeDevice
{
    /// <param name="folder">Empty; the libraries are put there.</param>
    /// <param name="environment">What the device is to do.</param>
    public static ServerProcess Serve(string folder, Dictionary<string, string> environment, params string[] flags) =>
        Start(folder, environment, ["launch-server", "--decode-log-interval", "1", "--port", "0", .. flags]);

    /// <summary>Any of the program's commands that load a model.</summary>
    public static ServerProcess Start(string folder, Dictionary<string, string> environment, string[] command)
    {
        string native = AppContext.BaseDirectory, part = Path.Combine(native, "libfake_cuda_part_losable.so");
        Assert.SkipUnless(File.Exists(part), "the native tests are not built");
        File.Copy(Path.Combine(native, "libsgl.so"), Path.Combine(folder, "libsgl.so"));
        File.Copy(part, Path.Combine(folder, "libsgl_cuda.so"));
        return ServerProcess.Start(new Dictionary<string, string>(environment) { ["SGL_LIBRARY_PATH"] = folder },
            [.. command, "--model-path", DemoServer.ModelPath, "--device", "cuda"]);
    }
}
