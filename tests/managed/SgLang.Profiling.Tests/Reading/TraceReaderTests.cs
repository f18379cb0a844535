using System.IO.Compression;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace SgLang.Profiling.Tests.Reading;

public sealed class TraceReaderTests(ITestOutputHelper output) : IDisposable
{
    private readonly string _path = Path.GetTempFileName();

    public void Dispose() => File.Delete(_path);

    private List<string> ReadAll(string json, out TraceReader reader)
    {
        File.WriteAllText(_path, json);
        var events = new List<string>();
        var item = new TraceEvent();
        using (reader = new TraceReader(_path))
            while (reader.TryRead(item)) events.Add(Encoding.UTF8.GetString(item.Text));
        return events;
    }

    [Fact]
    public void Random_documents_give_the_events_and_values_that_a_json_parser_gives()
    {
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        for (int round = 0; round < 50; round++)
        {
            JsonObject[] events = [.. Enumerable.Range(0, random.Next(40)).Select(_ => RandomEvent(random))];
            var document = new JsonObject { ["before"] = RandomValue(random, 0), ["traceEvents"] = new JsonArray([.. events]), ["after"] = RandomValue(random, 0) };
            string json = document.ToJsonString(new JsonSerializerOptions { WriteIndented = random.Next(2) == 0 });
            File.WriteAllText(_path, json);
            var item = new TraceEvent();
            using var reader = new TraceReader(_path);
            foreach (JsonObject wanted in events)
            {
                Assert.True(reader.TryRead(item));
                Assert.True(JsonNode.DeepEquals(wanted, JsonNode.Parse(item.Text)));
                Assert.Equal((string)wanted["name"]!, TraceEvent.Decode([(byte)'"', .. item.Name, (byte)'"']));
                Assert.Equal((long)((decimal)wanted["ts"]! * 1000), item.Time);
                Assert.Equal(wanted["args"] is JsonObject arguments ? arguments.Count : 0, item.NumArguments);
                foreach ((string name, JsonNode? value) in wanted["args"] as JsonObject ?? [])
                    Assert.True(JsonNode.DeepEquals(value, JsonNode.Parse(item.Argument(Encoding.UTF8.GetBytes(JsonEncodedText.Encode(name).Value)))));
            }
            Assert.False(reader.TryRead(item));
            Assert.True(JsonNode.DeepEquals(document["before"], JsonNode.Parse(reader.Member("before")!)));
            Assert.True(JsonNode.DeepEquals(document["after"], JsonNode.Parse(reader.Member("after")!)));
        }
    }

    [Fact]
    public void Every_cut_of_a_document_is_noticed()
    {
        const string Json = """{"a": [1, "x\"}"], "traceEvents": [{"ph":"X","ts":1.5,"args":{"b":[{}]}}, {"ph":"i","name":"\\"}], "c": true}""";
        Assert.Equal(2, ReadAll(Json, out _).Count);
        for (int length = 0; length < Json.Length; length++)
            Assert.ThrowsAny<JsonException>(() => ReadAll(Json[..length], out _));
    }

    [Theory]
    [InlineData("""{"traceEvents": [{"a":1 "b":2}]}""")]
    [InlineData("""{"traceEvents": [{"a":1]}]}""")]
    [InlineData("""{"traceEvents": [{"a":[1}]}]}""")]
    [InlineData("""{"traceEvents": [{"a":wrong}]}""")]
    [InlineData("""{"traceEvents": [{a:1}]}""")]
    [InlineData("""{"traceEvents": [{"a":1} {"a":1}]}""")]
    [InlineData("""{"traceEvents": [1]}""")]
    [InlineData("""{"traceEvents": {}}""")]
    [InlineData("""{"traceEvents": []} x""")]
    [InlineData("7")]
    [InlineData("")]
    public void What_is_not_a_trace_is_refused(string json) => Assert.ThrowsAny<JsonException>(() => ReadAll(json, out _));

    [Theory]
    [InlineData("4631144536971.006", 4631144536971006)]
    [InlineData("9007199254740.993", 9007199254740993)]
    [InlineData("0.5", 500)]
    [InlineData("12", 12000)]
    [InlineData("-1.25", -1250)]
    [InlineData("1.23456", 1234)]
    [InlineData("1.5e3", 1500000)]
    [InlineData("\"3.125\"", 3125)]
    public void Times_keep_every_nanosecond(string text, long nanoseconds)
    {
        File.WriteAllText(_path, $$"""[{"ph":"X","ts":{{text}}}]""");
        var item = new TraceEvent();
        using var reader = new TraceReader(_path);
        Assert.True(reader.TryRead(item));
        Assert.Equal(nanoseconds, item.Time);
    }

    [Fact]
    public void A_flipped_bit_of_a_compressed_file_is_noticed()
    {
        using (GZipStream gzip = new(File.Create(_path), CompressionLevel.Fastest))
            gzip.Write(Encoding.UTF8.GetBytes($$"""{"traceEvents": [{"name":"{{new string('x', 50_000)}}"}]}"""));
        byte[] bytes = File.ReadAllBytes(_path);
        bytes[^6] ^= 1;
        File.WriteAllBytes(_path, bytes);
        Assert.Throws<InvalidDataException>(() =>
        {
            using var reader = new TraceReader(_path);
            var item = new TraceEvent();
            while (reader.TryRead(item)) { }
        });
    }

    private static JsonObject RandomEvent(Random random)
    {
        var item = new JsonObject();
        // In any order.
        foreach (string key in (string[])[.. new[] { "ph", "cat", "name", "pid", "tid", "ts", "dur", "args", "other" }.OrderBy(_ => random.Next())])
        {
            if (key is "ts") item[key] = random.NextInt64(1L << 50) / 1000m;
            else if (key is "name") item[key] = RandomText(random);
            else if (random.Next(4) == 0) continue;
            else if (key is "args") item[key] = random.Next(5) == 0 ? RandomValue(random, 0) : new JsonObject(Enumerable.Range(0, random.Next(50)).Select(i => KeyValuePair.Create($"{i} {RandomText(random)}", RandomValue(random, 0))));
            else item[key] = RandomValue(random, 0);
        }
        return item;
    }

    private static JsonNode? RandomValue(Random random, int depth) => random.Next(depth > 3 ? 5 : 7) switch
    {
        0 => null,
        1 => random.Next(2) == 0,
        2 => random.Next(),
        3 => random.NextDouble() * 1e-9,
        4 => RandomText(random),
        5 => new JsonArray([.. Enumerable.Range(0, random.Next(5)).Select(_ => RandomValue(random, depth + 1))]),
        _ => new JsonObject(Enumerable.Range(0, random.Next(5)).Select(i => KeyValuePair.Create($"{i}{RandomText(random)}", RandomValue(random, depth + 1)))),
    };

    private static string RandomText(Random random)
    {
        const string Alphabet = "ab\"\\{}[],: \n\tä漢";
        return string.Concat(Enumerable.Range(0, random.Next(6)).Select(_ => Alphabet[random.Next(Alphabet.Length)]));
    }
}
