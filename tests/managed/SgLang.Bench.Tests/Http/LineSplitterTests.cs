using System.Text;
using SgLang.Bench.Http;

namespace SgLang.Bench.Tests.Http;

public class LineSplitterTests
{
    [Fact]
    public void Lines_are_whole_whatever_pieces_they_come_in()
    {
        byte[] stream = Encoding.UTF8.GetBytes("data: é\r\n\ndata: [DONE]\n");
        foreach (int size in new[] { 1, 2, 3, 7, 100 })
        {
            LineSplitter lines = new();
            List<string> read = [];
            for (int i = 0; i < stream.Length; i += size)
            {
                int count = Math.Min(size, stream.Length - i);
                if (i % 2 == 0)
                {
                    stream.AsMemory(i, count).CopyTo(lines.Free());
                    lines.Received(count);
                }
                else
                {
                    lines.Append(stream.AsSpan(i, count));
                }
                while (lines.TryRead(out ReadOnlySpan<byte> line)) read.Add(Encoding.UTF8.GetString(line));
            }
            Assert.Equal(["data: é", "", "data: [DONE]"], read);
            Assert.True(lines.Rest().IsEmpty);
        }
    }
}
