using System.Net.Sockets;

namespace SgLang.Benchmarks;

/// <summary>One stream: what came, and when.</summary>
internal sealed class StreamReader(int index, int tokens, bool isRecorded)
{
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(16384, pinned: true);
    private Socket? _socket;
    private int _kept;
    private long _end;
    private int _expected;

    public List<(int Id, long At)> Arrived { get; } = new(isRecorded ? tokens : 0);
    public long Tokens { get; private set; }
    public long Events { get; private set; }
    public long Requests { get; private set; }

    /// <summary>Tokens that were not the next of their request by their position; of streams that are not recorded.</summary>
    public long Disordered { get; private set; }

    public bool IsOpen => _socket is not null;

    /// <summary>Connects, and sends the stream's request.</summary>
    public void Ask(string host, int port)
    {
        _socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        SocketTimes.Enable(_socket);
        _socket.Connect(host, port);
        _socket.Send(StreamReaders.Request(index, tokens));
        (_kept, _end, _expected) = (0, Tokens + tokens, StreamReaders.PromptTokens);
        Requests++;
    }

    /// <summary>Takes what has come. False: the answer is whole, or its connection closed, which leaves tokens out.</summary>
    public bool Read(SocketTimes times)
    {
        while (true)
        {
            switch (times.Receive(_socket!, _buffer, _kept, out long at))
            {
                case SocketTimes.Nothing: return true;
                case 0: return Close();
                case int read: _kept = Take(_buffer.AsSpan(0, _kept + read), at); break;
            }
            if (Tokens >= _end) return Close();
        }
    }

    private bool Close()
    {
        _socket!.Dispose();
        _socket = null;
        return false;
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
