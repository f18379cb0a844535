using SgLang.BindingsGen.Clang;
using SgLang.BindingsGen.Model;

namespace SgLang.BindingsGen.Tests;

public sealed class BindingsToolTests : IDisposable
{
    private const string Bindings = "managed/SgLang.Interop/Generated/Sgl.g.cs";

    private readonly TemporaryRoot _root = new("typedef enum sgl_kind { SGL_KIND_CPU = 0, SGL_KIND_CUDA = 1 } sgl_kind;\n");

    public void Dispose() => _root.Dispose();

    [Fact]
    public void Verify_accepts_what_was_just_written()
    {
        Assert.Equal(0, _root.Run().ExitCode);
        Assert.Equal(0, _root.Run("--verify").ExitCode);
    }

    [Fact]
    public void Verify_names_the_file_and_the_first_differing_line()
    {
        _root.Run();
        string path = _root.Combine(Bindings);
        File.WriteAllText(path, File.ReadAllText(path).Replace("Cuda = 1", "Cuda = 2"));
        byte[] edited = File.ReadAllBytes(path);

        (int exitCode, string output) = _root.Run("--verify");

        Assert.Equal(1, exitCode);
        Assert.Contains($"{Bindings} differs at line 13: checked in '    Cuda = 2,', generated '    Cuda = 1,'", output);
        Assert.Contains("./build.sh bindings", output);
        Assert.Equal(edited, File.ReadAllBytes(path));
    }

    [Fact]
    public void Verify_fails_when_a_header_changed_and_names_the_hash_too()
    {
        _root.Run();
        File.AppendAllText(_root.HeaderPath, "typedef struct sgl_thing sgl_thing;\n");

        (int exitCode, string output) = _root.Run("--verify");

        Assert.Equal(1, exitCode);
        Assert.Contains($"{Bindings} differs at line 16: checked in '<end of file>'", output);
        Assert.Contains("Abi.g.cs differs", output);
        Assert.Contains("abi_layout.inc differs", output);
    }

    [Fact]
    public void Verify_finds_missing_files_and_files_without_a_header()
    {
        _root.Run();
        File.Move(_root.Combine(Bindings), _root.Combine("managed/SgLang.Interop/Generated/Old.g.cs"));

        (int exitCode, string output) = _root.Run("--verify");

        Assert.Equal(1, exitCode);
        Assert.Contains($"{Bindings} is missing", output);
        Assert.Contains("Old.g.cs belongs to no header", output);
    }

    [Fact]
    public void Writing_removes_files_without_a_header()
    {
        _root.Run();
        string old = _root.Combine("managed/SgLang.Interop/Generated/Old.g.cs");
        File.WriteAllText(old, "");

        Assert.Equal(0, _root.Run().ExitCode);

        Assert.False(File.Exists(old));
    }

    [Fact]
    public void A_header_that_does_not_compile_gives_clangs_message_and_exit_code_2()
    {
        File.AppendAllText(_root.HeaderPath, "typedef strict sgl_x;\n");

        (int exitCode, string output) = _root.Run();

        Assert.Equal(2, exitCode);
        Assert.Contains("unknown type name 'strict'", output);
    }

    [Fact]
    public void The_clang_program_says_where_the_cppsharp_reader_is()
    {
        (int exitCode, string output) = _root.Run("--reader", "cppsharp");

        Assert.Equal(2, exitCode);
        Assert.Contains("--reader cppsharp: this program has clang", output);
        Assert.Contains("bindings-gen/SgLang.BindingsGen.CppSharp", output);
    }

    [Theory]
    [InlineData("--check", "unknown option '--check'")]
    [InlineData("--reader", "--reader needs a value")]
    public void A_wrong_call_explains_itself(string argument, string expected)
    {
        var output = new StringWriter();

        Assert.Equal(2, new BindingsTool(new Dictionary<string, Func<IHeaderReader>>(), "clang", output).Run([argument]));

        Assert.Contains(expected, output.ToString());
        Assert.Contains("--verify", output.ToString());
    }

    [Fact]
    public void No_clang_on_the_path_names_the_debian_package()
    {
        string message = Assert.Throws<BindingsException>(() => ClangExecutable.Find(_root.Path)).Message;

        Assert.Contains("Debian's package 'clang'", message);
        Assert.Contains("clang-14", message);
    }

    [Fact]
    public void The_first_known_name_on_the_path_is_taken()
    {
        File.WriteAllText(_root.Combine("clang-15"), "");
        File.WriteAllText(_root.Combine("clang-14"), "");

        Assert.Equal(_root.Combine("clang-15"), ClangExecutable.Find(_root.Path));
    }

    [Fact]
    public void The_repositorys_bindings_match_its_headers()
    {
        var output = new StringWriter();
        var tool = new BindingsTool(new Dictionary<string, Func<IHeaderReader>> { ["clang"] = () => new ClangReader() }, "clang", output);

        int exitCode = tool.Run(["--verify", "--root", Repository.Root]);

        Assert.True(exitCode == 0, output.ToString());
    }
}
