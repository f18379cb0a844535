namespace SgLang.Bench.Load;

/// <summary>
/// Has the runtime run socket completions on the thread that waits for socket events, instead of handing them to the thread pool: a hand-over
/// costs a wake-up, 50 microseconds and more on a busy machine. The runtime reads this once, at the first use of a socket, so it is a setting of
/// the whole process and belongs at the beginning of a program.
/// </summary>
public static class PreciseSockets
{
    private const int MostThreads = 4;

    /// <summary>Has no effect once the process has used a socket asynchronously. Values in the environment win.</summary>
    public static void UseForThisProcess()
    {
        Set("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1");
        // With two processors, one reads and one sends.
        Set("DOTNET_SYSTEM_NET_SOCKETS_THREAD_COUNT", Math.Clamp(Environment.ProcessorCount / 2, 1, MostThreads).ToString(System.Globalization.CultureInfo.InvariantCulture));

        static void Set(string name, string value)
        {
            if (Environment.GetEnvironmentVariable(name) is null) Environment.SetEnvironmentVariable(name, value);
        }
    }
}
