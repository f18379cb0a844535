namespace SgLang.Cli.Commands;

/// <summary>The small model that runs when none is named.</summary>
internal static class DemoModel
{
    /// <summary>models/demo beside the program or in a directory above it; null where there is none.</summary>
    public static string? Find(string start)
    {
        for (DirectoryInfo? directory = new(start); directory is not null; directory = directory.Parent)
        {
            string candidate = Path.Combine(directory.FullName, "models", "demo");
            if (File.Exists(Path.Combine(candidate, "config.json"))) return candidate;
        }
        return null;
    }
}
