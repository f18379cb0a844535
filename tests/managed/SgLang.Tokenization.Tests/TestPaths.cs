using System.Reflection;

namespace SgLang.Tokenization.Tests;

/// <summary>Where the test data lies. Real tokenizer files are not part of the repository: tests/data/fetch-tokenizers.sh brings them.</summary>
internal static class TestPaths
{
    public static string Root { get; } = Path.GetFullPath(typeof(TestPaths).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .First(attribute => attribute.Key == "RepositoryRoot").Value!);

    public static string DemoModel => Path.Combine(Root, "models", "demo");

    /// <summary>The directory of a real tokenizer, or a skipped test.</summary>
    public static string RealTokenizer(string name)
    {
        string?[] places = [Environment.GetEnvironmentVariable("SGL_TOKENIZERS_DIR"), Path.Combine(Root, "out", "test-data", "tokenizers"), Path.Combine(Root, "..", "shared", "tokenizers")];
        foreach (string? place in places)
        {
            if (!string.IsNullOrEmpty(place) && File.Exists(Path.Combine(place, name, "tokenizer.json")))
            {
                return Path.Combine(place, name);
            }
        }

        Assert.Skip($"{name}/tokenizer.json is in none of {string.Join(", ", places.Where(place => !string.IsNullOrEmpty(place)))}; run tests/data/fetch-tokenizers.sh or set SGL_TOKENIZERS_DIR");
        return "";
    }
}
