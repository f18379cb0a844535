using System.Reflection;
using System.Text.Json;
using SgLang.Core;

namespace SgLang.Bench.Tests;

/// <summary>The demo checkpoint, for runs of whole tools.</summary>
internal static class DemoModel
{
    public static string Root { get; } = typeof(DemoModel).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "RepositoryRoot").Value!;
    public static string ModelPath { get; } = Path.GetFullPath(Path.Combine(Root, "models", "demo"));

    public static EngineOptions Options { get; } = new()
    {
        ModelPath = ModelPath, Device = DeviceKind.Cpu, DType = ModelDType.Float32, NumThreads = 1, MaxTotalTokens = 8192, RandomSeed = 1,
    };

    /// <summary>A file in a directory of its own.</summary>
    public static string ResultFile() => Path.Combine(TestDirectory.Create("sgl-bench"), "result.jsonl");

    public static JsonElement[] Lines(string path) => [.. File.ReadAllLines(path).Select(line => JsonDocument.Parse(line).RootElement)];
}
