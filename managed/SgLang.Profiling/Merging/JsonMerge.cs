using System.Text;
using System.Text.Json;

namespace SgLang.Profiling;

/// <summary>
/// Writes a merged trace as gzip JSON. Ranks are rewritten and compressed side by side, each into a segment of the file; what stands before
/// the events is known when all were read, and is written then.
/// </summary>
internal static class JsonMerge
{
    public static void Write(IReadOnlyList<MergeSource> sources, Stream file, string directory, int missing, MergeOptions options)
    {
        var segments = new GzipSegment?[sources.Count];
        try
        {
            TraceMerger.ForEachRank(sources, options.MaxParallel, source => segments[source.Index] = WriteRank(source, directory, options));
            var joiner = new GzipJoiner(file);
            using (var head = new GzipSegment(directory))
            {
                WriteHead(sources, missing, new JsonText(head.Content));
                head.Complete();
                joiner.Append(head);
            }
            bool isFirst = true;
            foreach (GzipSegment? segment in segments)
            {
                if (segment!.Length == 0) continue;
                joiner.Append(isFirst ? "\n"u8 : ",\n"u8);
                joiner.Append(segment);
                isFirst = false;
            }
            joiner.Append("\n]\n}\n"u8);
            joiner.Finish();
        }
        finally
        {
            foreach (GzipSegment? segment in segments) segment?.Dispose();
        }
    }

    private static GzipSegment WriteRank(MergeSource source, string directory, MergeOptions options)
    {
        var segment = new GzipSegment(directory);
        try
        {
            var json = new JsonText(segment.Content);
            var rewriter = new EventRewriter(json, source.Rank, source.Index, source.Shift, options.StringPids);
            // Our own traces have their lanes.
            OverlapLanes? lanes = source.Header is { IsOurs: true } ? null : OverlapLanes.Find(source);
            source.Read(item =>
            {
                if (source.NumEvents > 0) json.Raw(",\n"u8);
                rewriter.Write(item, lanes?.Next(item) ?? 0);
            });
            var description = new TraceEvent();
            foreach (byte[] text in lanes?.Describe() ?? [])
            {
                description.TryRead(text, 0, text.Length);
                json.Raw(",\n"u8);
                rewriter.Write(description);
            }
            json.Flush();
            segment.Complete();
            return segment;
        }
        catch
        {
            segment.Dispose();
            throw;
        }
    }

    /// <summary>All but the events, which the file's last member holds.</summary>
    private static void WriteHead(IReadOnlyList<MergeSource> sources, int missing, JsonText json)
    {
        List<(string Label, byte[] Value)> distributed = [];
        List<byte[]> devices = [];
        List<(string Name, byte[] Value)> members = [];
        foreach (MergeSource source in sources)
        {
            foreach ((string name, byte[] value) in source.Members)
            {
                if (name == "deviceProperties") devices.AddRange(Items(value));
                else if (name == "distributedInfo") distributed.Add((source.Rank.Label, value));
                else if (name is not ("traceName" or "merge_report") && !members.Exists(known => known.Name == name)) members.Add((name, value));
            }
        }
        json.Raw("{"u8);
        bool isFirst = true;
        foreach ((string name, byte[] value) in members) Member(name, value);
        if (devices.Count > 0) Member("deviceProperties", Joined(devices));
        if (distributed.Count > 0)
        {
            Member("distributedInfo", distributed[0].Value);
            Member("distributedInfos", Joined([.. distributed.Select(one => (byte[])[.. "{\"label\": "u8, .. JsonText.Quote(one.Label), .. ", \"info\": "u8, .. one.Value, (byte)'}'])]));
        }
        MergeSource? origin = sources.FirstOrDefault(source => source.Header is not null);
        Member("baseTimeNanoseconds", Encoding.ASCII.GetBytes($"{origin?.Header?.BaseNanoseconds ?? 0}"));
        Member("merge_report", Report(sources, missing));
        json.Raw(",\n\"traceEvents\": ["u8);
        json.Flush();

        void Member(string name, ReadOnlySpan<byte> value)
        {
            json.Raw(isFirst ? "\n"u8 : ",\n"u8);
            isFirst = false;
            json.Text(name);
            json.Raw(": "u8);
            json.Raw(value);
        }
    }

    /// <summary>The value of merge_report.</summary>
    internal static byte[] Report(IReadOnlyList<MergeSource> sources, int missing)
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes))
        {
            MergedRank[] ranks = [.. sources.Select(source => source.Result)];
            json.WriteStartObject();
            json.WriteNumber("total_events", ranks.Sum(rank => rank.NumEvents));
            json.WriteNumber("total_files", ranks.Count(rank => rank.Error is null));
            json.WriteNumber("missing_ranks", missing);
            json.WriteStartArray("ranks");
            foreach (MergedRank rank in ranks)
            {
                json.WriteStartObject();
                json.WriteString("file", Path.GetFileName(rank.Path));
                json.WriteString("label", rank.Label);
                json.WriteNumber("events", rank.NumEvents);
                if (rank.Clock is { } clock)
                {
                    json.WriteNumber("clock_ahead_ns", clock.Nanoseconds);
                    json.WriteNumber("clock_error_ns", clock.ErrorNanoseconds);
                }
                if (rank.Error is { } error) json.WriteString("error", error);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return bytes.ToArray();
    }

    private static List<byte[]> Items(byte[] list)
    {
        using JsonDocument document = JsonDocument.Parse(list);
        return document.RootElement.ValueKind == JsonValueKind.Array ? [.. document.RootElement.EnumerateArray().Select(item => Encoding.UTF8.GetBytes(item.GetRawText()))] : [];
    }

    private static byte[] Joined(List<byte[]> values)
    {
        using var joined = new MemoryStream();
        foreach (byte[] value in values)
        {
            joined.WriteByte(joined.Length == 0 ? (byte)'[' : (byte)',');
            joined.Write(value);
        }
        joined.WriteByte((byte)']');
        return joined.ToArray();
    }
}
