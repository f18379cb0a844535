using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace SgLang.Engine;

/// <summary>
/// What every thread of the process is doing, for a log: name, state, where in the kernel it waits, and CPU time. The runtime gives a process no
/// managed stacks of its own other threads; with the names of this engine's threads and its phase, these tell where a step hangs.
/// </summary>
internal static class StallReport
{
    private const string Tasks = "/proc/self/task";

    public static string Threads()
    {
        if (!Directory.Exists(Tasks)) return string.Create(CultureInfo.InvariantCulture, $"{Process.GetCurrentProcess().Threads.Count} threads");
        var report = new StringBuilder();
        foreach (string task in Directory.EnumerateDirectories(Tasks).OrderBy(path => path, StringComparer.Ordinal))
        {
            string stat = Read(task, "stat");
            int end = stat.LastIndexOf(')');
            string[] fields = end < 0 ? [] : stat[(end + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            // Fields 3, 14 and 15 of proc_pid_stat(5): state, user and system time in ticks.
            string state = fields.Length > 0 ? fields[0] : "?";
            string ticks = fields.Length > 12 ? $"{fields[11]}+{fields[12]}" : "?";
            report.Append(CultureInfo.InvariantCulture, $"\n  {Path.GetFileName(task)} {Read(task, "comm"),-16} {state} {ticks} ticks, waits in {Or(Read(task, "wchan"), "-")}, syscall {Or(Read(task, "syscall").Split(' ')[0], "-")}");
        }
        return report.ToString();
    }

    private static string Or(string text, string absent) => text is "" or "0" ? absent : text;

    /// <summary>"" where the thread has ended, or the kernel does not tell.</summary>
    private static string Read(string task, string file)
    {
        try
        {
            return File.ReadAllText(Path.Combine(task, file)).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
