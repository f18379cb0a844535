using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace SgLang.Benchmarks;

/// <summary>
/// The readers of a load's streams, in a process of their own, so that their processor time is not the server's: one raw socket a stream, read on the thread that
/// waits for events.
/// </summary>
internal static class StreamReaders
{
    public const int PromptTokens = 5;
    public const string Command = "stream-readers";

    /// <summary>The program's side: reads as told and writes what came to standard output, in <see cref="StreamReadings"/>' form.</summary>
    /// <param name="args">Host, port, streams, tokens of a request, seconds for which each stream asks again (0: one request each, whose tokens are recorded).</param>
    public static async Task<int> RunAsync(ReadOnlyMemory<string> args)
    {
        string host = args.Span[0];
        int[] numbers = [.. args[1..].ToArray().Select(arg => int.Parse(arg, CultureInfo.InvariantCulture))];
        (int port, int streams, int tokens, int seconds) = (numbers[0], numbers[1], numbers[2], numbers[3]);
        long end = Stopwatch.GetTimestamp() + (seconds * Stopwatch.Frequency);
        StreamReader[] readers = [.. Enumerable.Range(0, streams).Select(index => new StreamReader(index, tokens, isRecorded: seconds == 0))];
        await Task.WhenAll(readers.Select(async reader =>
        {
            do await reader.ReadAsync(host, port);
            while (Stopwatch.GetTimestamp() < end);
        }));
        await using Stream output = Console.OpenStandardOutput();
        StreamReadings.Write(output, readers);
        return 0;
    }

    /// <summary>Starts the readers' process and gives what it read.</summary>
    /// <exception cref="InvalidOperationException">It failed.</exception>
    public static async Task<StreamReadings> ReadAsync(Uri address, int streams, int tokens, int seconds = 0)
    {
        string program = Environment.ProcessPath!;
        string[] entry = Path.GetFileNameWithoutExtension(program) == "dotnet" ? ["exec", Environment.GetCommandLineArgs()[0]] : [];
        string[] numbers = [.. new[] { address.Port, streams, tokens, seconds }.Select(number => number.ToString(CultureInfo.InvariantCulture))];
        var start = new ProcessStartInfo(program, [.. entry, Command, address.Host, .. numbers]) { RedirectStandardOutput = true };
        start.Environment["DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS"] = "1";
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

/// <summary>One stream: what came, and when.</summary>
internal sealed class StreamReader(int index, int tokens, bool isRecorded)
{
    private int _expected;

    public List<(int Id, long At)> Arrived { get; } = new(isRecorded ? tokens : 0);
    public long Tokens { get; private set; }
    public long Events { get; private set; }
    public long Requests { get; private set; }

    /// <summary>Tokens that were not the next of their request by their position; of streams that are not recorded.</summary>
    public long Disordered { get; private set; }

    public async Task ReadAsync(string host, int port)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(host, port);
        await socket.SendAsync(StreamReaders.Request(index, tokens));
        byte[] buffer = ArrayPool<byte>.Shared.Rent(16384);
        _expected = StreamReaders.PromptTokens;
        Requests++;
        int kept = 0;
        long end = Tokens + tokens;
        while (Tokens < end && await socket.ReceiveAsync(buffer.AsMemory(kept)) is var read and > 0) kept = Take(buffer.AsSpan(0, kept + read), Stopwatch.GetTimestamp());
        ArrayPool<byte>.Shared.Return(buffer);
    }

    /// <summary>Takes the ids of whole lists; what may be the beginning of one is moved to the front. Returns its length.</summary>
    private int Take(Span<byte> all, long now)
    {
        ReadOnlySpan<byte> field = "\"output_ids\":["u8;
        Span<byte> rest = all;
        while (rest.IndexOf(field) is var at and >= 0)
        {
            Span<byte> list = rest[(at + field.Length)..];
            int end = list.IndexOf((byte)']');
            if (end < 0)
            {
                rest = rest[at..];
                rest.CopyTo(all);
                return rest.Length;
            }
            Events++;
            int id = 0;
            foreach (byte digit in list[..end])
            {
                if (digit == ',')
                {
                    Add(id, now);
                    id = 0;
                }
                else
                {
                    id = (id * 10) + digit - '0';
                }
            }
            if (end > 0) Add(id, now);
            rest = list[end..];
        }
        if (rest.Length >= field.Length) rest = rest[^(field.Length - 1)..];
        rest.CopyTo(all);
        return rest.Length;
    }

    private void Add(int id, long now)
    {
        Tokens++;
        if (isRecorded) Arrived.Add((id, now));
        else if (id != _expected++) Disordered++;
    }
}
