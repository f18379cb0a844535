using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace SgLang.Benchmarks;

/// <summary>
/// The readers of a load's streams, in a process of their own and behind the server in the scheduler's order, so that their processor time is neither counted as the
/// server's nor taken from it. One thread sweeps over all sockets every few milliseconds. When bytes came does not depend on when it does: the kernel notes
/// that as it puts them into the socket.
/// </summary>
internal static class StreamReaders
{
    public const int PromptTokens = 5;
    public const string Command = "stream-readers";

    private static readonly TimeSpan s_sweepInterval = TimeSpan.FromMilliseconds(5);

    /// <summary>The program's side: reads as told and writes what came to standard output, in <see cref="StreamReadings"/>' form.</summary>
    /// <param name="args">Host, port, streams, tokens of a request, seconds for which each stream asks again (0: one request each, whose tokens are recorded), 1 to ask for /health too.</param>
    public static int Run(ReadOnlyMemory<string> args)
    {
        string host = args.Span[0];
        int[] numbers = [.. args[1..].ToArray().Select(arg => int.Parse(arg, CultureInfo.InvariantCulture))];
        (int port, int streams, int tokens, int seconds, bool asksHealth) = (numbers[0], numbers[1], numbers[2], numbers[3], numbers[4] == 1);
        SocketTimes.YieldToOthers();
        long end = Stopwatch.GetTimestamp() + (seconds * Stopwatch.Frequency);
        StreamReader[] readers = [.. Enumerable.Range(0, streams).Select(index => new StreamReader(index, tokens, isRecorded: seconds == 0))];
        foreach (StreamReader reader in readers) reader.Ask(host, port);
        var times = new SocketTimes();
        using HealthPoll? health = asksHealth ? new HealthPoll(host, port) : null;
        int open = streams;
        while (open > 0)
        {
            long swept = Stopwatch.GetTimestamp();
            times.Synchronize();
            health?.Sweep(times);
            foreach (StreamReader reader in readers)
            {
                if (!reader.IsOpen || reader.Read(times)) continue;
                if (Stopwatch.GetTimestamp() < end) reader.Ask(host, port);
                else open--;
            }
            if (s_sweepInterval - Stopwatch.GetElapsedTime(swept) is { Ticks: > 0 } rest) Thread.Sleep(rest);
        }
        using var output = new BufferedStream(Console.OpenStandardOutput(), 1 << 16);
        StreamReadings.Write(output, readers, health?.Milliseconds ?? []);
        return 0;
    }

    /// <summary>Starts the readers' process and gives what it read.</summary>
    /// <exception cref="InvalidOperationException">It failed.</exception>
    public static async Task<StreamReadings> ReadAsync(Uri address, int streams, int tokens, int seconds = 0, bool asksHealth = true)
    {
        string program = Environment.ProcessPath!;
        string[] entry = Path.GetFileNameWithoutExtension(program) == "dotnet" ? ["exec", Environment.GetCommandLineArgs()[0]] : [];
        string[] numbers = [.. new[] { address.Port, streams, tokens, seconds, asksHealth ? 1 : 0 }.Select(number => number.ToString(CultureInfo.InvariantCulture))];
        var start = new ProcessStartInfo(program, [.. entry, Command, address.Host, .. numbers]) { RedirectStandardOutput = true };
        using Process process = Process.Start(start)!;
        using var output = new MemoryStream();
        await process.StandardOutput.BaseStream.CopyToAsync(output);
        await process.WaitForExitAsync();
        if (process.ExitCode != 0) throw new InvalidOperationException($"The readers ended with code {process.ExitCode}.");
        output.Position = 0;
        return StreamReadings.Read(output);
    }

    /// <summary>The request of a stream, whose first id tells it from the others.</summary>
    public static byte[] Request(int index, int tokens)
    {
        string body = $$"""{"input_ids":[{{1 + (index % 900)}},2,3,4,{{1 + (index / 900)}}],"stream":true,"sampling_params":{"max_new_tokens":{{tokens}},"temperature":0,"ignore_eos":true} }""";
        return Encoding.ASCII.GetBytes($"POST /generate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}");
    }
}
