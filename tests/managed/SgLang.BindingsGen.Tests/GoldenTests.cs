using System.Diagnostics;
using SgLang.BindingsGen.Clang;

namespace SgLang.BindingsGen.Tests;

/// <summary>A header with every construct, against the checked-in output. SGL_UPDATE_GOLDEN=1 rewrites it in place.</summary>
public sealed class GoldenTests : IDisposable
{
    private static readonly string s_folder = Path.Combine(AppContext.BaseDirectory, "Golden");

    private readonly TemporaryRoot _root = new(File.ReadAllText(Path.Combine(s_folder, "sgl.h")));

    public void Dispose() => _root.Dispose();

    [Theory]
    [InlineData("managed/SgLang.Interop/Generated/Sgl.g.cs", "Sgl.g.cs.txt")]
    [InlineData("managed/SgLang.Interop/Generated/Abi.g.cs", "Abi.g.cs.txt")]
    [InlineData("native/src/abi/generated/abi_layout.inc", "abi_layout.inc.txt")]
    [InlineData("tests/managed/SgLang.Interop.Tests/Generated/ManagedLayout.g.cs", "ManagedLayout.g.cs.txt")]
    public void Output_is_the_golden_file(string path, string golden)
    {
        _root.Run();
        string actual = File.ReadAllText(_root.Combine(path));
        if (Environment.GetEnvironmentVariable("SGL_UPDATE_GOLDEN") == "1")
        {
            File.WriteAllText(Path.Combine(Repository.Root, "tests/managed/SgLang.BindingsGen.Tests/Golden", golden), actual);
            return;
        }

        Assert.Equal(File.ReadAllText(Path.Combine(s_folder, golden)), actual);
    }

    [Fact]
    public void A_second_run_writes_the_same_bytes_and_touches_nothing()
    {
        _root.Run();
        Dictionary<string, byte[]> first = Snapshot();

        (int exitCode, string output) = _root.Run();

        Assert.Equal(0, exitCode);
        Assert.DoesNotContain("wrote", output);
        Assert.Equal(first, Snapshot());
    }

    [Fact]
    public void A_compiler_agrees_with_every_asserted_size_and_offset()
    {
        _root.Run();
        string source = _root.Combine("check.cc");
        File.WriteAllText(source, "#include <cstddef>\n#include \"sgl/base.h\"\n#include \"abi_layout.inc\"\n");
        File.WriteAllText(_root.Combine("native/include/sgl/base.h"),
            "#include \"sgl/sgl.h\"\nstruct sgl_layout_entry { const char* type; const char* field; uint32_t offset; uint32_t size; };\n");

        (int exitCode, string errors) = Compile(source);

        Assert.True(exitCode == 0, errors);
    }

    [Fact]
    public void A_compiler_rejects_a_layout_that_is_off_by_one_field()
    {
        _root.Run();
        string layout = _root.Combine("native/src/abi/generated/abi_layout.inc");
        File.WriteAllText(layout, File.ReadAllText(layout).Replace("offsetof(sgl_outer, value) == 16", "offsetof(sgl_outer, value) == 8"));
        string source = _root.Combine("check.cc");
        File.WriteAllText(source, "#include <cstddef>\n#include \"sgl/sgl.h\"\n#include \"abi_layout.inc\"\n");

        (int exitCode, string errors) = Compile(source);

        Assert.NotEqual(0, exitCode);
        Assert.Contains("offsetof(sgl_outer, value) == 8", errors);
    }

    private (int ExitCode, string Errors) Compile(string source)
    {
        string clang = ClangExecutable.Find(Environment.GetEnvironmentVariable("PATH"));
        string[] arguments =
            ["-x", "c++", "-std=c++20", "-fsyntax-only", "-I", _root.Combine("native/include"), "-I", _root.Combine("native/src/abi/generated"), source];
        using Process process = Process.Start(new ProcessStartInfo(clang, arguments) { RedirectStandardError = true })!;
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, errors);
    }

    private Dictionary<string, byte[]> Snapshot() =>
        Directory.EnumerateFiles(_root.Path, "*", SearchOption.AllDirectories).ToDictionary(p => p, File.ReadAllBytes);
}
