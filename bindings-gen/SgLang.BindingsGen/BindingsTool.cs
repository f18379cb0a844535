using SgLang.BindingsGen.Model;

namespace SgLang.BindingsGen;

/// <summary>The command line, shared by the programs that differ only in the readers they have.</summary>
internal sealed class BindingsTool(IReadOnlyDictionary<string, Func<IHeaderReader>> readers, string defaultReader, TextWriter output)
{
    private const string Header = "native/include/sgl/sgl.h";
    private const string Usage =
        """
        bindings-gen [--reader clang|cppsharp] [--verify] [--root DIR]

        Writes the C# bindings and the native layout checks from native/include/sgl/*.h.
          --reader   who parses the headers; both give the same bytes
          --verify   write nothing; exit 1 and say where when the checked-in files differ
          --root     the repository; default: the nearest folder upward that holds native/include/sgl/sgl.h
        """;

    /// <summary>Exit code: 0 done, 1 checked-in files differ, 2 the call or a header is wrong.</summary>
    public int Run(string[] arguments)
    {
        try
        {
            string reader = defaultReader;
            string? root = null;
            bool verify = false;
            for (int i = 0; i < arguments.Length; i++)
            {
                switch (arguments[i])
                {
                    case "--reader":
                        reader = ValueOf(arguments, ref i);
                        break;
                    case "--root":
                        root = ValueOf(arguments, ref i);
                        break;
                    case "--verify":
                        verify = true;
                        break;
                    case "--help":
                        output.WriteLine(Usage);
                        return 0;
                    default:
                        throw new BindingsException($"unknown option '{arguments[i]}'\n{Usage}");
                }
            }
            return Generate(Path.GetFullPath(root ?? FindRoot()), CreateReader(reader), verify);
        }
        catch (BindingsException e)
        {
            output.WriteLine($"bindings-gen: {e.Message}");
            return 2;
        }
    }

    private int Generate(string root, IHeaderReader reader, bool verify)
    {
        string header = Path.Combine(root, Header);
        if (!File.Exists(header))
        {
            throw new BindingsException($"--root {root} has no {Header}");
        }
        GeneratedFiles generated = GeneratedFiles.From(Bindings.Load(header, reader));
        IReadOnlyList<Difference> differences = verify ? generated.Compare(root) : generated.Write(root);
        foreach (Difference difference in differences)
        {
            output.WriteLine(verify ? $"{difference.Path} {difference.Reason}" : $"wrote {difference.Path}");
        }
        if (verify && differences.Count > 0)
        {
            output.WriteLine("The checked-in bindings differ from the headers: run `./build.sh bindings` and commit the result.");
            return 1;
        }
        output.WriteLine($"{generated.Files.Count} files, {(differences.Count == 0 ? "all" : "now")} up to date");
        return 0;
    }

    private IHeaderReader CreateReader(string name)
    {
        if (readers.TryGetValue(name, out Func<IHeaderReader>? create))
        {
            return create();
        }
        string hint = name == "cppsharp"
            ? " The CppSharp reader is its own program: dotnet run --project bindings-gen/SgLang.BindingsGen.CppSharp"
            : "";
        throw new BindingsException($"--reader {name}: this program has {string.Join(", ", readers.Keys)}.{hint}");
    }

    private static string ValueOf(string[] arguments, ref int i) =>
        ++i < arguments.Length ? arguments[i] : throw new BindingsException($"{arguments[i - 1]} needs a value\n{Usage}");

    private static string FindRoot()
    {
        for (string? folder = Environment.CurrentDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, Header)))
            {
                return folder;
            }
        }
        throw new BindingsException($"no {Header} in {Environment.CurrentDirectory} or above: name the repository with --root");
    }
}
