using System.Text;
using System.Text.RegularExpressions;

namespace SgLang.Tests.Shared;

/// <summary>
/// The benchmark and profiling commands of SGLang's documentation (tests/data/benchmark-commands.txt), as a shell would split them, with
/// <c>python -m sglang.x_y</c> renamed to this program's <c>x-y</c>.
/// </summary>
internal static class BenchmarkCommands
{
    public static IEnumerable<string> Lines(string repositoryRoot) => File.ReadAllLines(Path.Combine(repositoryRoot, "tests", "data", "benchmark-commands.txt"));

    /// <returns>The command's name and its arguments.</returns>
    public static string[] Arguments(string line)
    {
        string renamed = Regex.Replace(line, @"^python3? -m sglang\.(?:test\.)?(\w+)", match => match.Groups[1].Value.Replace('_', '-'));
        if (renamed == line) throw new ArgumentException($"'{line}' is no command of SGLang", nameof(line));
        return [.. Split(renamed)];
    }

    private static IEnumerable<string> Split(string line)
    {
        var word = new StringBuilder();
        char quote = '\0';
        foreach (char c in line)
        {
            if (c == quote) quote = '\0';
            else if (quote == '\0' && c is '\'' or '"') quote = c;
            else if (quote != '\0' || c != ' ') word.Append(c);
            else if (word.Length > 0)
            {
                yield return word.ToString();
                word.Clear();
            }
        }
        if (word.Length > 0) yield return word.ToString();
    }
}
