using System.Text;
using SgLang.Bench.Load;

namespace SgLang.Bench.Tests.Load;

public class ResponseDecoderTests
{
    private static (string Body, ResponseDecoder Decoder, int Left) Decode(string wire, int piece)
    {
        ResponseDecoder decoder = new();
        byte[] bytes = Encoding.UTF8.GetBytes(wire);
        MemoryStream body = new();
        int at = 0;
        while (at < bytes.Length && !decoder.IsDone)
        {
            ReadOnlySpan<byte> rest = bytes.AsSpan(at, Math.Min(piece, bytes.Length - at));
            while (!rest.IsEmpty && !decoder.IsDone)
            {
                int count = decoder.Decode(rest, out ReadOnlySpan<byte> part);
                body.Write(part);
                rest = rest[count..];
                at += count;
            }
        }
        return (Encoding.UTF8.GetString(body.ToArray()), decoder, bytes.Length - at);
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello", "hello", 200, false)]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=1\r\nlo\r\n0\r\nTrailer: t\r\n\r\n", "hello", 200, false)]
    [InlineData("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Service Unavailable\r\nconnection: Close\r\ncontent-length: 2\r\n\r\nno", "no", 503, true)]
    [InlineData("HTTP/1.1 204 No Content\r\n\r\n", "", 204, false)]
    public void Bodies_are_whole_whatever_pieces_they_come_in(string wire, string body, int status, bool closes)
    {
        for (int piece = 1; piece <= wire.Length; piece++)
        {
            (string text, ResponseDecoder decoder, int left) = Decode(wire, piece);
            Assert.Equal((body, true, status, closes, 0), (text, decoder.IsDone, decoder.Status, decoder.Closes, left));
        }
    }

    [Fact]
    public void Without_a_length_the_connection_s_end_is_the_body_s()
    {
        (string text, ResponseDecoder decoder, _) = Decode("HTTP/1.0 200 OK\r\n\r\nhello", 4);
        Assert.Equal(("hello", false, true, true), (text, decoder.IsDone, decoder.EndsWithConnection, decoder.Closes));
    }

    [Fact]
    public void What_follows_a_response_is_left()
    {
        Assert.Equal(4, Decode("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP", 1000).Left);
    }

    [Theory]
    [InlineData("SSH-2.0-x\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n")]
    public void Other_bytes_are_refused(string wire)
    {
        Assert.Throws<InvalidDataException>(() => Decode(wire, 1000));
    }
}
