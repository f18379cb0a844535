using SgLang.BindingsGen.Model;
using SgLang.BindingsGen.Writers;

namespace SgLang.BindingsGen;

/// <summary>A file in which what is checked in differs from what the headers say.</summary>
internal sealed record Difference(string Path, string Reason);

/// <summary>Everything the generator writes, as text by path below the repository root.</summary>
internal sealed class GeneratedFiles
{
    private const string ManagedFolder = "managed/SgLang.Interop/Generated";
    private const string NativeFolder = "native/src/abi/generated";
    private const string TestFolder = "tests/managed/SgLang.Interop.Tests/Generated";

    private readonly SortedDictionary<string, string> _files = new(StringComparer.Ordinal);

    public IReadOnlyDictionary<string, string> Files => _files;

    public static GeneratedFiles From(HeaderModel model)
    {
        var generated = new GeneratedFiles();
        var writer = new CSharpWriter(model);
        foreach (string header in model.Declarations.Select(d => d.Location.Header).Distinct())
        {
            generated._files.Add($"{ManagedFolder}/{Names.GeneratedFile(header)}", writer.WriteHeader(header));
        }
        generated._files.Add($"{ManagedFolder}/Abi.g.cs", writer.WriteAbi());
        generated._files.Add($"{NativeFolder}/abi_layout.inc", AbiLayoutWriter.Write(model));
        generated._files.Add($"{TestFolder}/ManagedLayout.g.cs", ManagedLayoutWriter.Write(model));
        return generated;
    }

    /// <summary>Writes files that differ and deletes those no header accounts for; returns what it touched.</summary>
    public IReadOnlyList<Difference> Write(string root)
    {
        IReadOnlyList<Difference> differences = Compare(root);
        foreach (Difference difference in differences)
        {
            string path = Path.Combine(root, difference.Path);
            if (_files.TryGetValue(difference.Path, out string? text))
            {
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                File.WriteAllText(path, text);
            }
            else
            {
                File.Delete(path);
            }
        }
        return differences;
    }

    public IReadOnlyList<Difference> Compare(string root)
    {
        var differences = new List<Difference>();
        foreach ((string path, string expected) in _files)
        {
            string fullPath = Path.Combine(root, path);
            if (!File.Exists(fullPath))
            {
                differences.Add(new Difference(path, "is missing"));
            }
            else if (File.ReadAllText(fullPath) is var actual && actual != expected)
            {
                differences.Add(new Difference(path, FirstDifferingLine(actual, expected)));
            }
        }
        foreach (string folder in new[] { ManagedFolder, NativeFolder, TestFolder })
        {
            string fullFolder = Path.Combine(root, folder);
            IEnumerable<string> present = Directory.Exists(fullFolder) ? Directory.EnumerateFiles(fullFolder) : [];
            differences.AddRange(present.Select(p => $"{folder}/{Path.GetFileName(p)}").Where(p => !_files.ContainsKey(p))
                .Order(StringComparer.Ordinal).Select(p => new Difference(p, "belongs to no header")));
        }
        return differences;
    }

    private static string FirstDifferingLine(string actual, string expected)
    {
        string[] left = actual.Split('\n');
        string[] right = expected.Split('\n');
        int line = 0;
        while (line < left.Length && line < right.Length && left[line] == right[line])
        {
            line++;
        }
        return $"differs at line {line + 1}: checked in '{At(left, line)}', generated '{At(right, line)}'";
    }

    private static string At(string[] lines, int line) => line < lines.Length ? lines[line] : "<end of file>";
}
