using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using SgLang.Interop;

namespace SgLang.Bench.Proof;

/// <summary>When one stream's tokens were to be sent and were sent, as Stopwatch time stamps, which processes of a machine share.</summary>
public sealed record StreamTimes(int Id, long[] Planned, long[] Sent);

/// <summary>
/// Answers /generate with tokens on a schedule: the first so long after the request was read, then one each interval, whatever the last one's
/// delay was. One thread sends them all and does nothing else, so that the schedule is kept to microseconds.
/// </summary>
/// <param name="first">To the first token.</param>
/// <param name="interval">Between tokens.</param>
/// <param name="turns">Streams that share an interval; 0: each has the first token exactly so long after its request.</param>
/// <param name="modelPath">What /model_info names.</param>
public sealed class ScriptedServer(TimeSpan first, TimeSpan interval, int turns, string modelPath) : IDisposable
{
    private static readonly long s_longestSleep = Stopwatch.Frequency / 1000;
    private static readonly byte[] s_text = Encoding.ASCII.GetBytes(new string('x', 4096));

    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly ConcurrentQueue<TokenStream> _started = new();
    private readonly PriorityQueue<TokenStream, long> _due = new();
    private readonly ConcurrentBag<StreamTimes> _times = [];
    private readonly byte[] _chunk = new byte[8192];
    private volatile bool _isStopping;

    public Uri Address { get; private set; } = null!;

    /// <summary>Of the streams that have ended.</summary>
    public IReadOnlyCollection<StreamTimes> Times => _times;

    public void Start()
    {
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen(4096);
        Address = new Uri($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndPoint!).Port}");
        new Thread(Send) { IsBackground = true, Name = "scripted-sender" }.Start();
        _ = AcceptAsync();
    }

    public void Dispose()
    {
        _isStopping = true;
        _listener.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true) _ = ServeAsync(await _listener.AcceptAsync().ConfigureAwait(false));
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Disposed.
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        socket.NoDelay = true;
        byte[] buffer = new byte[64 * 1024];
        int count = 0;
        try
        {
            while (true)
            {
                int read = await socket.ReceiveAsync(buffer.AsMemory(count)).ConfigureAwait(false);
                long at = Stopwatch.GetTimestamp();
                if (read == 0) break;
                count += read;
                if (!TryTake(buffer.AsSpan(0, count), out string path, out string body)) continue;
                count = 0;
                if (path != "/generate")
                {
                    string answer = path == "/model_info" ? $$"""{"model_path": "{{modelPath}}"}""" : """{"data": [{"id": "scripted", "max_model_len": 100000}], "internal_states": [{}]}""";
                    await socket.SendAsync(Encoding.UTF8.GetBytes($"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {answer.Length}\r\n\r\n{answer}")).ConfigureAwait(false);
                    continue;
                }
                _started.Enqueue(new TokenStream(socket, Number(body, "\"text\": \""), Number(body, "\"max_new_tokens\": "), FirstDue(at, Number(body, "\"text\": \""))));
            }
        }
        catch (SocketException)
        {
            // The client has gone.
        }
        socket.Dispose();
    }

    /// <summary>
    /// The earliest time from <paramref name="first"/> on that is this stream's: streams take turns, as if a device made their tokens one after the
    /// other. All at once they would come in bursts of which only the first could be in time.
    /// </summary>
    private long FirstDue(long received, int id)
    {
        if (turns == 0) return received + Ticks(first);
        long gap = Ticks(interval), turn = gap / turns * (id % turns), earliest = received + Ticks(first);
        return earliest + ((((turn - earliest) % gap) + gap) % gap);
    }

    /// <summary>A whole request: head and as much body as its length says.</summary>
    private static bool TryTake(ReadOnlySpan<byte> bytes, out string path, out string body)
    {
        (path, body) = ("", "");
        int end = bytes.IndexOf("\r\n\r\n"u8);
        if (end < 0) return false;
        string head = Encoding.UTF8.GetString(bytes[..end]);
        int field = head.IndexOf("Content-Length: ", StringComparison.OrdinalIgnoreCase);
        int length = field < 0 ? 0 : Number(head[field..], "ength: ");
        if (bytes.Length < end + 4 + length) return false;
        path = head.Split(' ', 3)[1].Split('?')[0];
        body = Encoding.UTF8.GetString(bytes.Slice(end + 4, length));
        return true;
    }

    /// <summary>Digits after a mark; -1 where there are none.</summary>
    private static int Number(string text, string mark)
    {
        int at = text.IndexOf(mark, StringComparison.Ordinal);
        if (at < 0) return -1;
        at += mark.Length;
        int end = at;
        while (end < text.Length && char.IsAsciiDigit(text[end])) end++;
        return end > at ? int.Parse(text.AsSpan(at, end - at), System.Globalization.CultureInfo.InvariantCulture) : -1;
    }

    private void Send()
    {
        long gap = Ticks(interval);
        while (!_isStopping)
        {
            while (_started.TryDequeue(out TokenStream? started)) _due.Enqueue(started, started.Due);
            if (!_due.TryPeek(out TokenStream? next, out long due))
            {
                Thread.Sleep(1);
                continue;
            }
            long now = Stopwatch.GetTimestamp();
            if (now < due)
            {
                // New streams may come while this sleeps; their first token is due later than the sleep's end.
                PreciseSleep.Until(Math.Min(due, now + s_longestSleep));
                continue;
            }
            int made = next.Planned.Count + 1;
            bool isLast = made >= next.Tokens;
            ReadOnlySpan<byte> chunk = Chunk(made, isLast, made == 1);
            next.Planned.Add(due);
            next.Sent.Add(Stopwatch.GetTimestamp());
            try
            {
                next.Socket.Send(chunk);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                isLast = true;
            }
            if (isLast)
            {
                _due.Dequeue();
                _times.Add(new StreamTimes(next.Id, [.. next.Planned], [.. next.Sent]));
            }
            else
            {
                next.Due += gap;
                _due.DequeueEnqueue(next, next.Due);
            }
        }
    }

    /// <summary>An event as a chunk of the response, after the head for the first and with the end for the last.</summary>
    private ReadOnlySpan<byte> Chunk(int made, bool isLast, bool isFirst)
    {
        Span<byte> rest = _chunk;
        if (isFirst) Put(ref rest, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"u8);
        // Four digits of the chunk's size are filled in below.
        Span<byte> size = rest[..4];
        Put(ref rest, "0000\r\n"u8);
        int before = rest.Length;
        Put(ref rest, "data: {\"text\": \""u8);
        Put(ref rest, s_text.AsSpan(0, Math.Min(made, s_text.Length)));
        Put(ref rest, "\", \"output_ids\": [7], \"meta_info\": {\"id\": \"0123456789abcdef0123456789abcdef\", \"finish_reason\": null, \"prompt_tokens\": 4, \"weight_version\": \"default\", \"completion_tokens\": "u8);
        Utf8Formatter.TryFormat(made, rest, out int digits);
        rest = rest[digits..];
        Put(ref rest, ", \"cached_tokens\": 0}}\n\n"u8);
        if (isLast) Put(ref rest, "data: [DONE]\n\n"u8);
        Utf8Formatter.TryFormat(before - rest.Length, size, out _, new System.Buffers.StandardFormat('x', 4));
        Put(ref rest, "\r\n"u8);
        if (isLast) Put(ref rest, "0\r\n\r\n"u8);
        return _chunk.AsSpan(0, _chunk.Length - rest.Length);
    }

    private static void Put(ref Span<byte> rest, ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(rest);
        rest = rest[bytes.Length..];
    }

    private static long Ticks(TimeSpan time) => (long)(time.TotalSeconds * Stopwatch.Frequency);

    private sealed class TokenStream(Socket socket, int id, int tokens, long due)
    {
        public Socket Socket { get; } = socket;
        public int Id { get; } = id;
        public int Tokens { get; } = tokens;
        public long Due { get; set; } = due;
        public List<long> Planned { get; } = new(tokens);
        public List<long> Sent { get; } = new(tokens);
    }
}
