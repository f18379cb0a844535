using System.Buffers;
using System.Text;
using SgLang.Protocol.Sse;

namespace SgLang.Protocol.Tests.Sse;

public class EventTemplateTests
{
    private const string Rid = "\"text\":\"\" \"completion_tokens\":0 ü";

    private static GenerateResponse Response(string text, int[] ids, int tokens) => new()
    {
        Text = text,
        OutputIds = ids,
        MetaInfo = new MetaInfo { Id = Rid, PromptTokens = 7, CompletionTokens = tokens, WeightVersion = "v" },
    };

    private static EventTemplate Template() => EventTemplate.Create(Response("", [], 0), ProtocolJsonContext.Default.GenerateResponse, "text", "output_ids", "completion_tokens");

    [Fact]
    public void An_event_has_the_bytes_that_the_serializer_gives_it()
    {
        int seed = Random.Shared.Next();
        TestContext.Current.SendDiagnosticMessage($"seed {seed}");
        var random = new Random(seed);
        string[] pieces = ["a", "\"", "\\", "\n", "\u0001", "\u2028", "é", "漢", "😀", "<", "'", "\t", "{}", " ", "\u007f", "/"];
        EventTemplate template = Template();
        var expected = new ArrayBufferWriter<byte>();
        var actual = new ArrayBufferWriter<byte>();
        using var serialized = new SseWriter(expected);
        using var prepared = new SseWriter(actual);
        for (int i = 0; i < 2000; i++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(20)).Select(_ => pieces[random.Next(pieces.Length)]));
            int[] ids = [.. Enumerable.Range(0, random.Next(4)).Select(_ => random.Next(int.MinValue, int.MaxValue))];
            int tokens = random.Next();
            Assert.True(template.Fits(text.Length, ids.Length + 1));
            serialized.Write(Response(text, ids, tokens), ProtocolJsonContext.Default.GenerateResponse);
            prepared.Begin(template).Text(text).Numbers(ids).Number(tokens).End();
        }
        Assert.True(expected.WrittenSpan.SequenceEqual(actual.WrittenSpan), $"seed {seed}: {FirstDifference(expected.WrittenSpan, actual.WrittenSpan)}");
    }

    [Fact]
    public void The_longest_text_that_fits_may_need_every_escape()
    {
        EventTemplate template = Template();
        int length = 0;
        while (template.Fits(length + 1, 1)) length++;
        var expected = new ArrayBufferWriter<byte>();
        var actual = new ArrayBufferWriter<byte>();
        using var serialized = new SseWriter(expected);
        using var prepared = new SseWriter(actual);
        string text = new('\u0001', length);
        serialized.Write(Response(text, [], int.MinValue), ProtocolJsonContext.Default.GenerateResponse);
        prepared.Begin(template).Text(text).Numbers([]).Number(int.MinValue).End();
        Assert.Equal(Encoding.UTF8.GetString(expected.WrittenSpan), Encoding.UTF8.GetString(actual.WrittenSpan));
        Assert.InRange(length, 100, EventTemplate.MaxBytes);
    }

    [Fact]
    public void A_sample_must_have_its_open_fields_empty()
    {
        Assert.Contains("no field 'index'", Assert.Throws<ArgumentException>(
            () => EventTemplate.Create(Response("", [], 0), ProtocolJsonContext.Default.GenerateResponse, "index")).Message);
        Assert.Contains("'text' is not empty", Assert.Throws<ArgumentException>(
            () => EventTemplate.Create(Response("a", [], 0), ProtocolJsonContext.Default.GenerateResponse, "text")).Message);
    }

    private static string FirstDifference(ReadOnlySpan<byte> expected, ReadOnlySpan<byte> actual)
    {
        int at = expected.CommonPrefixLength(actual);
        return $"'{Encoding.UTF8.GetString(expected.Slice(at, Math.Min(60, expected.Length - at)))}' expected, '{Encoding.UTF8.GetString(actual.Slice(at, Math.Min(60, actual.Length - at)))}' written";
    }
}
