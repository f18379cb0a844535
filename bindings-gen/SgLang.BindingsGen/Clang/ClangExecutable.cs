using System.ComponentModel;
using System.Diagnostics;
using SgLang.BindingsGen.Model;

namespace SgLang.BindingsGen.Clang;

/// <summary>Finds clang and asks it for the syntax tree of a header.</summary>
internal static class ClangExecutable
{
    private static readonly string[] s_names =
        ["clang", "clang-19", "clang-18", "clang-17", "clang-16", "clang-15", "clang-14"];

    /// <summary>The first of the known names on `searchPath` (in the form of PATH).</summary>
    public static string Find(string? searchPath)
    {
        foreach (string name in s_names)
        {
            foreach (string folder in (searchPath ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries))
            {
                string candidate = Path.Combine(folder, OperatingSystem.IsWindows() ? name + ".exe" : name);
                if (File.Exists(candidate))
                {
                    return candidate;
                }
            }
        }
        throw new BindingsException(
            $"no clang on PATH (looked for {string.Join(", ", s_names)}): install Debian's package 'clang', or any of clang-14 to clang-19");
    }

    /// <summary>Standard output of `clang -ast-dump=json`; its diagnostics become the exception's message.</summary>
    public static byte[] DumpSyntaxTree(string clang, string header)
    {
        var start = new ProcessStartInfo(clang) { RedirectStandardOutput = true, RedirectStandardError = true };
        string includeFolder = Path.GetDirectoryName(Path.GetDirectoryName(header))!;
        string[] arguments =
            ["-x", "c", "-std=c11", "--target=x86_64-linux-gnu", "-I", includeFolder, "-fsyntax-only", "-Xclang", "-ast-dump=json", header];
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }
        try
        {
            using Process process = Process.Start(start)!;
            Task<string> errors = process.StandardError.ReadToEndAsync();
            using var output = new MemoryStream();
            process.StandardOutput.BaseStream.CopyTo(output);
            process.WaitForExit();
            if (process.ExitCode != 0)
            {
                throw new BindingsException($"{clang} rejects {header}:\n{errors.Result}");
            }
            return output.ToArray();
        }
        catch (Win32Exception e)
        {
            throw new BindingsException($"{clang} does not run: {e.Message}");
        }
    }
}
