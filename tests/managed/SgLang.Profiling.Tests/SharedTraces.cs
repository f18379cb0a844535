using System.Reflection;

namespace SgLang.Profiling.Tests;

/// <summary>Traces of PyTorch that lie beside the repository where there are any.</summary>
internal static class SharedTraces
{
    public static string Directory => Path.GetFullPath(Path.Combine(
        typeof(SharedTraces).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "RepositoryRoot").Value!, "..", "shared", "traces"));
}
