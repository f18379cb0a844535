using System.Net;
using System.Net.Sockets;
using System.Text;
using SgLang.Bench.Load;

namespace SgLang.Bench.Tests.Load;

/// <summary>Connections against a server that does to them what the test says.</summary>
public class SocketLoadClientTests
{
    private const string Answer = "data: {\"text\": \"a\", \"meta_info\": {\"completion_tokens\": 1}}\n\ndata: [DONE]\n\n";
    private static readonly string s_ok = $"HTTP/1.1 200 OK\r\nContent-Length: {Answer.Length}\r\n\r\n{Answer}";

    private static async Task<string> ReadRequestAsync(Socket socket)
    {
        byte[] buffer = new byte[4096];
        int count = 0;
        while (true)
        {
            int read = await socket.ReceiveAsync(buffer.AsMemory(count));
            if (read == 0) return "";
            count += read;
            string text = Encoding.UTF8.GetString(buffer, 0, count);
            if (text.EndsWith("{}")) return text;
        }
    }

    private static (Socket Listener, SocketLoadClient Client) Start(bool fresh = false)
    {
        Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        int port = ((IPEndPoint)listener.LocalEndPoint!).Port;
        return (listener, new SocketLoadClient(new LoadClientOptions { Address = new Uri($"http://127.0.0.1:{port}/generate"), Shape = AnswerShape.Native, FreshConnections = fresh, Headers = [KeyValuePair.Create("X-Test", "v")] }));
    }

    private static async Task<RequestRecord> SendAsync(SocketLoadClient client)
    {
        TaskCompletionSource<RequestRecord> done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        client.Send(new LoadRequest("{}"u8.ToArray(), [KeyValuePair.Create("X-Own", "w")]), new RequestRecord(0), done.SetResult);
        return await done.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task A_connection_serves_request_after_request_with_its_headers()
    {
        (Socket listener, SocketLoadClient client) = Start();
        using (listener)
        using (client)
        {
            List<string> heads = [];
            Task server = Task.Run(async () =>
            {
                using Socket socket = await listener.AcceptAsync();
                for (int i = 0; i < 3; i++)
                {
                    heads.Add(await ReadRequestAsync(socket));
                    await socket.SendAsync(Encoding.UTF8.GetBytes(s_ok));
                }
            });
            for (int i = 0; i < 3; i++) Assert.Equal((null, 1, "a"), (await SendAsync(client) is var r ? r.Error : "", r.OutputTokens, r.Text));
            await server;
            Assert.Single(client.ConnectTimes);
            Assert.All(heads, head => Assert.StartsWith("POST /generate HTTP/1.1\r\nHost: 127.0.0.1:", head));
            Assert.All(heads, head => Assert.Contains("\r\nX-Test: v\r\nX-Own: w\r\nContent-Length: 2\r\n\r\n{}", head));
        }
    }

    [Fact]
    public async Task A_request_on_a_connection_that_was_just_closed_is_sent_again()
    {
        (Socket listener, SocketLoadClient client) = Start();
        using (listener)
        using (client)
        {
            Task server = Task.Run(async () =>
            {
                using (Socket first = await listener.AcceptAsync())
                {
                    await ReadRequestAsync(first);
                    await first.SendAsync(Encoding.UTF8.GetBytes(s_ok));
                    // The second request arrives, and is not answered.
                    await ReadRequestAsync(first);
                }
                using Socket second = await listener.AcceptAsync();
                await ReadRequestAsync(second);
                await second.SendAsync(Encoding.UTF8.GetBytes(s_ok));
            });
            Assert.Null((await SendAsync(client)).Error);
            Assert.Null((await SendAsync(client)).Error);
            await server;
            Assert.Equal(2, client.ConnectTimes.Count);
        }
    }

    [Theory]
    [InlineData("", "the server closed the connection before the answer's end")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\ndata: x", "the server closed the connection before the answer's end")]
    [InlineData("nonsense\r\n", "the answer is not HTTP/1.1")]
    [InlineData("HTTP/1.1 429 Too Many Requests\r\nContent-Length: 4\r\n\r\nbusy", "429 Too Many Requests: busy")]
    public async Task What_went_wrong_is_in_the_record(string answer, string reason)
    {
        (Socket listener, SocketLoadClient client) = Start();
        using (listener)
        using (client)
        {
            Task server = Task.Run(async () =>
            {
                using Socket socket = await listener.AcceptAsync();
                await ReadRequestAsync(socket);
                await socket.SendAsync(Encoding.UTF8.GetBytes(answer));
            });
            Assert.Contains(reason, (await SendAsync(client)).Error);
            await server;
        }
    }

    [Fact]
    public async Task Nobody_there_is_a_failure_and_so_is_an_aborted_run()
    {
        (Socket listener, SocketLoadClient client) = Start();
        using (client)
        {
            using (listener)
            {
                Task<RequestRecord> open = SendAsync(client);
                using Socket socket = await listener.AcceptAsync();
                await ReadRequestAsync(socket);
                client.Abort();
                Assert.Equal("the run was cancelled", (await open).Error);
            }
            Assert.Contains("refused", (await SendAsync(client)).Error, StringComparison.OrdinalIgnoreCase);
        }
    }

    [Fact]
    public async Task Fresh_connections_serve_one_request_each()
    {
        (Socket listener, SocketLoadClient client) = Start(fresh: true);
        using (listener)
        using (client)
        {
            Task server = Task.Run(async () =>
            {
                for (int i = 0; i < 2; i++)
                {
                    using Socket socket = await listener.AcceptAsync();
                    Assert.Contains("Connection: close", await ReadRequestAsync(socket));
                    await socket.SendAsync(Encoding.UTF8.GetBytes(s_ok));
                }
            });
            for (int i = 0; i < 2; i++) Assert.Null((await SendAsync(client)).Error);
            await server;
            Assert.Equal(2, client.ConnectTimes.Count);
        }
    }
}
