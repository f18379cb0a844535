using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace SgLang.Architecture.Tests;

/// <summary>The arrows of docs/architecture.md, checked on what the compiled assemblies really use.</summary>
public sealed partial class ReferenceTests
{
    private const string Product = "SgLang.";

    /// <summary>Direct arrows; an assembly may also use what its arrows reach, and everything may use Core.</summary>
    private static readonly Dictionary<string, string[]> s_arrows = new()
    {
        ["Core"] = [],
        ["Interop"] = [],
        ["Profiling"] = ["Interop"],
        ["Runtime"] = ["Interop", "Profiling"],
        ["Models"] = ["Runtime"],
        ["Scheduling"] = [],
        ["Tokenization"] = [],
        ["Protocol"] = [],
        ["Grammars"] = [],
        ["Engine"] = ["Scheduling", "Tokenization", "Grammars", "Models", "Profiling"],
        ["Nodes"] = ["Engine"],
        ["Server"] = ["Engine", "Nodes", "Protocol"],
        ["Bench"] = ["Engine", "Protocol"],
        ["Cli"] = ["Server", "Bench"],
    };

    /// <summary>Assemblies that no arrow leads past Core, so that they can be tested without a device or a model.</summary>
    private static readonly string[] s_pure = ["Core", "Scheduling", "Tokenization", "Grammars", "Protocol"];

    private static readonly string[] s_mayBeUnsafe = ["Interop", "Runtime", "Profiling"];

    private static string Root => typeof(ReferenceTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(a => a.Key == "RepositoryRoot").Value!;

    public static TheoryData<string> Assemblies => [.. Projects().Select(path => ShortName(path))];

    [Theory]
    [MemberData(nameof(Assemblies))]
    public void Compiled_references_follow_the_arrows(string assembly)
    {
        Assert.True(s_arrows.ContainsKey(assembly), $"{assembly} is not in the list of arrows; add it to docs/architecture.md and here");
        HashSet<string> allowed = Reach(assembly);
        string[] wrong = [.. UsedBy(assembly).Where(used => used != "Core" && !allowed.Contains(used))];
        Assert.True(wrong.Length == 0, $"{assembly} uses {string.Join(", ", wrong)}; allowed: {string.Join(", ", allowed)}");
    }

    [Theory]
    [MemberData(nameof(Assemblies))]
    public void Project_references_follow_the_arrows(string assembly)
    {
        string path = Projects().Single(p => ShortName(p) == assembly);
        string[] wrong = [.. XDocument.Load(path).Descendants("ProjectReference")
            .Select(reference => Path.GetFileNameWithoutExtension((string)reference.Attribute("Include")!)[Product.Length..])
            .Where(used => used != "Core" && !s_arrows[assembly].Contains(used))];
        Assert.True(wrong.Length == 0, $"{path} references {string.Join(", ", wrong)}; allowed: Core, {string.Join(", ", s_arrows[assembly])}");
    }

    [Fact]
    public void The_arrows_are_those_of_the_page()
    {
        string page = File.ReadAllText(Path.Combine(Root, "docs", "architecture.md"));
        Dictionary<string, List<string>> drawn = [];
        foreach (Match line in Arrow().Matches(Block().Match(page).Groups[1].Value))
        {
            string[][] places = [.. line.Value.Split(" -> ").Select(place => place.Split([", ", " "], StringSplitOptions.RemoveEmptyEntries))];
            for (int i = 0; i + 1 < places.Length; i++)
                foreach (string from in places[i])
                    (drawn.TryGetValue(from, out List<string>? targets) ? targets : drawn[from] = []).AddRange(places[i + 1].Where(to => to is not ("Core" or "only" or "libsgl")));
        }
        Assert.True(drawn.Remove("everything"));
        Assert.Equal(Lines(s_arrows.Where(arrow => arrow.Key != "Core").Select(arrow => (arrow.Key, arrow.Value.AsEnumerable()))), Lines(drawn.Select(arrow => (arrow.Key, arrow.Value.AsEnumerable()))));

        static string[] Lines(IEnumerable<(string From, IEnumerable<string> To)> arrows) =>
            [.. arrows.Select(arrow => $"{arrow.From} -> {string.Join(", ", arrow.To.Order(StringComparer.Ordinal))}").Order(StringComparer.Ordinal)];
    }

    [Fact]
    public void Pure_assemblies_reach_no_native_code()
    {
        foreach (string assembly in s_pure) Assert.Empty(Reach(assembly));
    }

    [Theory]
    [MemberData(nameof(Assemblies))]
    public void Unsafe_code_stays_in_interop_runtime_and_profiling(string assembly)
    {
        string path = Projects().Single(p => ShortName(p) == assembly);
        bool allows = XDocument.Load(path).Descendants("AllowUnsafeBlocks").Any(e => e.Value == "true");
        Assert.True(!allows || s_mayBeUnsafe.Contains(assembly), $"{path} allows unsafe blocks; only {string.Join(", ", s_mayBeUnsafe)} may");
    }

    private static IEnumerable<string> Projects() => Directory.EnumerateFiles(Path.Combine(Root, "managed"), "*.csproj", SearchOption.AllDirectories)
        .Where(path => !Path.GetRelativePath(Root, path).Contains($"{Path.DirectorySeparatorChar}bench{Path.DirectorySeparatorChar}"));

    private static string ShortName(string project) => Path.GetFileNameWithoutExtension(project)[Product.Length..];

    private static HashSet<string> Reach(string assembly)
    {
        HashSet<string> reached = [];
        Stack<string> pending = new(s_arrows[assembly]);
        while (pending.TryPop(out string? next))
            if (reached.Add(next))
                foreach (string further in s_arrows[next]) pending.Push(further);
        return reached;
    }

    private static List<string> UsedBy(string assembly)
    {
        string file = Path.Combine(AppContext.BaseDirectory, assembly == "Cli" ? "sglang.dll" : $"{Product}{assembly}.dll");
        using PEReader image = new(File.OpenRead(file));
        MetadataReader metadata = image.GetMetadataReader();
        List<string> used = [];
        foreach (AssemblyReferenceHandle handle in metadata.AssemblyReferences)
        {
            string name = metadata.GetString(metadata.GetAssemblyReference(handle).Name);
            if (name.StartsWith(Product, StringComparison.Ordinal)) used.Add(name[Product.Length..]);
        }
        return used;
    }

    [GeneratedRegex(@"## References between assemblies\s+```(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Block();

    /// <summary>Statements of a line stand apart by three blanks and more.</summary>
    [GeneratedRegex(@"\w+(?:,? \w+)* -> (?:\w+|,? |->)+?(?=\s{3}|\s*$)", RegexOptions.Multiline)]
    private static partial Regex Arrow();
}
