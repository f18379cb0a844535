namespace SgLang.Tests.Shared;

/// <summary>Directories for the files of tests. They lie in one of the process, which goes away when it ends, however its tests end.</summary>
internal static class TestDirectory
{
    private static readonly string s_root = CreateRoot();
    private static int s_count;

    /// <summary>A new, empty directory; a test may delete it itself.</summary>
    /// <param name="name">Begins the directory's name, for whoever looks at it in a debugger.</param>
    public static string Create(string name) =>
        Directory.CreateDirectory(Path.Combine(s_root, $"{name.TrimEnd('-')}-{Interlocked.Increment(ref s_count)}")).FullName;

    private static string CreateRoot()
    {
        string root = Directory.CreateTempSubdirectory("sgl-tests-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) =>
        {
            try
            {
                Directory.Delete(root, recursive: true);
            }
            catch (IOException)
            {
                // A program that a test started may still write there.
            }
        };
        return root;
    }
}
