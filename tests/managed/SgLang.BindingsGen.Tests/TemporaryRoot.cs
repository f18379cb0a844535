using SgLang.BindingsGen.Clang;
using SgLang.BindingsGen.Model;

namespace SgLang.BindingsGen.Tests;

/// <summary>A repository with nothing but `native/include/sgl/sgl.h`; deleted when done.</summary>
internal sealed class TemporaryRoot : IDisposable
{
    private const string Prologue = "#include <stdint.h>\n#include <stdbool.h>\n#include <stddef.h>\n";

    public TemporaryRoot(string header)
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(HeaderPath)!);
        File.WriteAllText(HeaderPath, header);
    }

    public string Path { get; } = TestDirectory.Create("bindings-gen-");

    public string HeaderPath => System.IO.Path.Combine(Path, "native/include/sgl/sgl.h");

    public static HeaderModel Read(string declarations)
    {
        using var root = new TemporaryRoot(Prologue + declarations);
        return Bindings.Load(root.HeaderPath, new ClangReader());
    }

    /// <summary>The message for a header that cannot be bound, its location first.</summary>
    public static string Rejection(string declarations) => Assert.Throws<BindingsException>(() => Read(declarations)).Message;

    public (int ExitCode, string Output) Run(params string[] arguments)
    {
        var output = new StringWriter();
        var readers = new Dictionary<string, Func<IHeaderReader>> { ["clang"] = () => new ClangReader() };
        int exitCode = new BindingsTool(readers, "clang", output).Run([.. arguments, "--root", Path]);
        return (exitCode, output.ToString());
    }

    public string Combine(string path) => System.IO.Path.Combine(Path, path);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
