using System.Runtime.InteropServices;

namespace SgLang.Interop.Tests;

public sealed class LibraryResolverTests : IDisposable
{
    private readonly string _folder = TestDirectory.Create("sgl-resolver-");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void The_library_beside_the_application_has_the_hash_of_these_bindings()
    {
        LibraryResolver.EnsureLoaded();

        Assert.Equal(SglAbi.Hash, SglNative.sgl_abi_hash());
        Assert.Equal(Path.Combine(AppContext.BaseDirectory, LibraryName), LibraryResolver.LoadedPath);
    }

    [Fact]
    public void The_library_exports_every_function_of_the_bindings()
    {
        nint library = NativeLibrary.Load(Path.Combine(AppContext.BaseDirectory, LibraryName));
        string[] functions = [.. typeof(SglNative).GetMethods().Select(m => m.Name).Where(n => n.StartsWith("sgl_", StringComparison.Ordinal))];

        Assert.NotEmpty(functions);
        Assert.All(functions, name => Assert.True(NativeLibrary.TryGetExport(library, name, out _), name));
    }

    [Fact]
    public void A_library_of_another_abi_is_refused_with_both_hashes_and_its_file()
    {
        const ulong other = SglAbi.Hash ^ 0xff;

        var error = Assert.Throws<SglLibraryException>(() => Load(null, AppContext.BaseDirectory, other));

        Assert.Contains(Path.Combine(AppContext.BaseDirectory, LibraryName), error.Message);
        Assert.Contains($"0x{SglAbi.Hash:x16}", error.Message);
        Assert.Contains($"0x{other:x16}", error.Message);
        Assert.Contains("./build.sh", error.Message);
    }

    [Fact]
    public void A_missing_library_names_every_place_looked_at()
    {
        var error = Assert.Throws<SglLibraryException>(() => Load(null, _folder));

        Assert.Contains(Path.Combine(_folder, LibraryName), error.Message);
        Assert.Contains(Path.Combine(_folder, "runtimes", RuntimeId, "native", LibraryName), error.Message);
        Assert.Contains("the system's library search", error.Message);
        Assert.Contains("SGL_LIBRARY_PATH", error.Message);
    }

    [Fact]
    public void A_path_variable_that_names_nothing_is_an_error_even_where_another_library_exists()
    {
        string missing = Path.Combine(_folder, "absent");

        var error = Assert.Throws<SglLibraryException>(() => Load(missing, AppContext.BaseDirectory));

        Assert.Contains($"SGL_LIBRARY_PATH={missing}", error.Message);
        Assert.Contains(Path.Combine(missing, LibraryName), error.Message);
        Assert.DoesNotContain(AppContext.BaseDirectory, error.Message);
    }

    [Fact]
    public void The_path_variable_may_name_a_file_or_its_folder()
    {
        string file = Path.Combine(_folder, "other-name.so");
        File.WriteAllText(file, "");

        Assert.Equal([file], LibraryResolver.Candidates(file, "/app"));
        Assert.Equal([Path.Combine(_folder, LibraryName)], LibraryResolver.Candidates(_folder, "/app"));
    }

    [Fact]
    public void A_file_that_does_not_load_is_reported_and_not_passed_over()
    {
        string file = Path.Combine(_folder, LibraryName);
        File.WriteAllText(file, "not a library");

        var error = Assert.Throws<SglLibraryException>(() => Load(null, _folder));

        Assert.StartsWith($"{file} exists but does not load", error.Message);
        Assert.NotNull(error.InnerException);
    }

    [Fact]
    public void The_folder_of_the_runtime_id_is_searched_after_the_application()
    {
        string native = Path.Combine(_folder, "runtimes", RuntimeId, "native");
        Directory.CreateDirectory(native);
        string file = Path.Combine(native, LibraryName);
        File.WriteAllText(file, "not a library");

        var error = Assert.Throws<SglLibraryException>(() => Load(null, _folder));

        Assert.StartsWith($"{file} exists but does not load", error.Message);
    }

    [Fact]
    public void A_library_without_the_hash_is_not_libsgl()
    {
        nint anyLibrary = NativeLibrary.Load("libc.so.6");

        var error = Assert.Throws<SglLibraryException>(() => LibraryResolver.Load(null, _folder, () => anyLibrary, SglAbi.Hash));

        Assert.Contains("does not export sgl_abi_hash", error.Message);
    }

    private static string LibraryName => "libsgl.so";

    private static string RuntimeId => $"linux-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";

    private static LoadedLibrary Load(string? pathVariable, string folder, ulong hash = SglAbi.Hash) =>
        LibraryResolver.Load(pathVariable, folder, () => 0, hash);
}
