using System.IO.Compression;
using System.Text;
using System.Text.Json;

namespace SgLang.Profiling;

/// <summary>What became of one file.</summary>
/// <param name="Error">Why it is missing or incomplete; null when all of it was merged.</param>
public sealed record MergedRank(string Path, string Label, long NumEvents, string? Error);

/// <summary>What a merge did.</summary>
public sealed record MergeReport(string Path, long NumEvents, IReadOnlyList<MergedRank> Ranks);

/// <summary>
/// Joins traces of ranks into one file, event by event: memory depends neither on their number nor on their size. Process numbers, flow ids
/// and correlations become unique to each rank, tracks carry the rank's label, and times move to the first file's base.
/// </summary>
public static class TraceMerger
{
    /// <summary>Larger than any process number of Linux, so that no two ranks meet.</summary>
    public const long PidStride = 10_000_000;

    /// <summary>A device's process number is its index; a host's is larger.</summary>
    private const long FirstHostPid = 1000;

    /// <summary>Merges in the order of (dp, ep, pp, tp), then of names.</summary>
    /// <param name="expectedRanks">Fewer files than this are an error, or a note with <paramref name="allowMissing"/>.</param>
    /// <param name="allowMissing">A damaged or absent rank is said in the file instead of being an error.</param>
    /// <exception cref="TraceMergeException">Nothing to merge, or a rank that is damaged or missing.</exception>
    public static MergeReport Merge(IReadOnlyList<string> paths, string target, int? expectedRanks = null, bool allowMissing = false)
    {
        if (paths.Count == 0) throw new TraceMergeException("there are no traces to merge");
        string[] duplicates = [.. paths.GroupBy(Path.GetFullPath).Where(same => same.Count() > 1).Select(same => same.Key)];
        if (duplicates.Length > 0) throw new TraceMergeException($"{string.Join(", ", duplicates)}: named twice");
        int missing = Math.Max(0, (expectedRanks ?? 0) - paths.Count);
        if (missing > 0 && !allowMissing)
            throw new TraceMergeException($"{expectedRanks} ranks are expected and {paths.Count} traces are there; wait for the others, or use --allow-missing");
        string[] ordered = [.. paths.OrderBy(path => TraceRank.FromFileName(path).Order).ThenBy(Path.GetFileName, StringComparer.Ordinal)];
        MergeReport? report = null;
        AtomicFile.Write(Path.GetFullPath(target), file =>
        {
            using var gzip = new GZipStream(file, CompressionLevel.Fastest);
            report = new Session(new JsonText(gzip), target, allowMissing).Run(ordered, missing);
        });
        return report!;
    }

    /// <summary>Rank traces of a directory: those named with TP- that are not merged ones; of one profile id where it is given.</summary>
    public static string[] Find(string directory, string? profileId = null) =>
    [
        .. Directory.EnumerateFiles(directory, "*" + TraceFileNames.Extension)
            .Where(path => !Path.GetFileName(path).StartsWith("merged-", StringComparison.Ordinal) && TraceRank.FromFileName(path).Tp is not null)
            .Where(path => profileId is null || HasId(Path.GetFileName(path), profileId))
            .Order(StringComparer.Ordinal),
    ];

    /// <summary>The id stands right before "-TP-" and either begins the name or follows the prefix, so that no id takes another's files.</summary>
    private static bool HasId(string name, string id) =>
        name.StartsWith($"{id}-TP-", StringComparison.Ordinal) || name.Contains($"-{id}-TP-", StringComparison.Ordinal);

    private sealed class Session(JsonText json, string target, bool allowMissing)
    {
        private readonly List<byte[]> _deviceProperties = [];
        private readonly List<(string Name, byte[] Value)> _members = [];
        private readonly List<(string Label, byte[] Value)> _distributed = [];
        private readonly List<MergedRank> _ranks = [];
        private long? _base;
        private long _numEvents;

        public MergeReport Run(string[] paths, int missing)
        {
            json.Raw("{\n\"traceEvents\": ["u8);
            for (int i = 0; i < paths.Length; i++) _ranks.Add(MergeFile(paths[i], i));
            json.Raw("\n]"u8);
            // Members follow the events, because the later files' members are known only then.
            foreach ((string name, byte[] value) in _members) Member(name, value);
            if (_base is { } origin) Member("baseTimeNanoseconds", Encoding.ASCII.GetBytes($"{origin}"));
            if (_deviceProperties.Count > 0) Member("deviceProperties", Joined(_deviceProperties));
            if (_distributed.Count > 0)
            {
                Member("distributedInfo", _distributed[0].Value);
                Member("distributedInfos", Joined([.. _distributed.Select(one => (byte[])[.. "{\"label\": "u8, .. JsonText.Quote(one.Label), .. ", \"info\": "u8, .. one.Value, (byte)'}'])]));
            }
            WriteReport(missing);
            json.Raw("\n}\n"u8);
            json.Flush();
            return new MergeReport(target, _numEvents, _ranks);
        }

        private MergedRank MergeFile(string path, int index)
        {
            TraceRank rank = TraceRank.FromFileName(path);
            long before = _numEvents;
            try
            {
                long origin = BaseOf(path);
                _base ??= origin;
                using var reader = new TraceReader(path);
                var rewriter = new EventRewriter(json, rank, index, origin - _base.Value);
                while (reader.TryReadEvent(out ReadOnlySpan<byte> text))
                {
                    json.Raw(_numEvents == 0 ? "\n"u8 : ",\n"u8);
                    rewriter.Write(text);
                    _numEvents++;
                }
                Keep(reader, rank.Label);
                return new MergedRank(path, rank.Label, _numEvents - before, null);
            }
            catch (Exception error) when (error is JsonException or InvalidDataException or IOException or UnauthorizedAccessException or FormatException or InvalidOperationException)
            {
                if (!allowMissing) throw new TraceMergeException($"{path}: the trace is damaged after {_numEvents - before} events: {error.Message}; write it again, or use --allow-missing", error);
                return new MergedRank(path, rank.Label, _numEvents - before, error.Message);
            }
        }

        /// <summary>Stands before the events in every known trace; only one that has it behind them is read through for it.</summary>
        private static long BaseOf(string path)
        {
            using var reader = new TraceReader(path);
            bool more = true;
            while (more && reader.BaseNanoseconds is null) more = reader.TryReadEvent(out _);
            return reader.BaseNanoseconds ?? 0;
        }

        private void Keep(TraceReader reader, string label)
        {
            foreach ((string name, byte[] value) in reader.Members)
            {
                if (name == "deviceProperties")
                {
                    using JsonDocument list = JsonDocument.Parse(value);
                    foreach (JsonElement device in list.RootElement.EnumerateArray()) _deviceProperties.Add(Encoding.UTF8.GetBytes(device.GetRawText()));
                }
                else if (name == "distributedInfo")
                {
                    _distributed.Add((label, value));
                }
                else if (name is not ("traceName" or "merge_report") && !_members.Any(known => known.Name == name))
                {
                    _members.Add((name, value));
                }
            }
        }

        private void WriteReport(int missing)
        {
            json.Raw(",\n\"merge_report\": {\"total_events\": "u8);
            json.Number(_numEvents);
            json.Raw(", \"total_files\": "u8);
            json.Number(_ranks.Count(rank => rank.Error is null));
            json.Raw(", \"missing_ranks\": "u8);
            json.Number(missing);
            json.Raw(", \"ranks\": ["u8);
            for (int i = 0; i < _ranks.Count; i++)
            {
                json.Raw(i > 0 ? ", {\"file\": "u8 : "{\"file\": "u8);
                json.Text(Path.GetFileName(_ranks[i].Path));
                json.Raw(", \"label\": "u8);
                json.Text(_ranks[i].Label);
                json.Raw(", \"events\": "u8);
                json.Number(_ranks[i].NumEvents);
                if (_ranks[i].Error is { } error)
                {
                    json.Raw(", \"error\": "u8);
                    json.Text(error);
                }
                json.Raw("}"u8);
            }
            json.Raw("]}"u8);
        }

        private void Member(string name, byte[] value)
        {
            json.Raw(",\n"u8);
            json.Text(name);
            json.Raw(": "u8);
            json.Raw(value);
        }

        private static byte[] Joined(List<byte[]> values)
        {
            List<byte> joined = [(byte)'['];
            foreach (byte[] value in values)
            {
                if (joined.Count > 1) joined.Add((byte)',');
                joined.AddRange(value);
            }
            joined.Add((byte)']');
            return [.. joined];
        }
    }

    /// <summary>Copies an event's text but for the few values that a rank changes.</summary>
    private sealed class EventRewriter(JsonText json, TraceRank rank, int index, long baseShift)
    {
        private readonly byte[] _labelText = Encoding.UTF8.GetBytes(rank.Label + " ");

        public void Write(ReadOnlySpan<byte> text)
        {
            (bool isSortIndex, bool isTrackName, long? pid) = Inspect(text);
            var reader = new Utf8JsonReader(text);
            int copied = 0;
            int depth = 0;
            bool isInArgs = false;
            while (reader.Read())
            {
                if (reader.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray) depth++;
                if (reader.TokenType is JsonTokenType.EndObject or JsonTokenType.EndArray) depth--;
                if (depth < 2) isInArgs = false;
                if (reader.TokenType != JsonTokenType.PropertyName) continue;
                if (depth == 1)
                {
                    isInArgs = reader.ValueTextEquals("args"u8);
                    if (reader.ValueTextEquals("pid"u8)) Replace(ref reader, text, ref copied, Part.Pid, pid);
                    else if (reader.ValueTextEquals("id"u8)) Replace(ref reader, text, ref copied, Part.Id, pid);
                    else if (baseShift != 0 && reader.ValueTextEquals("ts"u8)) Replace(ref reader, text, ref copied, Part.Time, pid);
                }
                else if (depth == 2 && isInArgs)
                {
                    if (reader.ValueTextEquals("correlation"u8)) Replace(ref reader, text, ref copied, Part.Id, pid);
                    else if (isSortIndex && pid is >= 0 and < FirstHostPid && reader.ValueTextEquals("sort_index"u8)) Replace(ref reader, text, ref copied, Part.SortIndex, pid);
                    else if (isTrackName && (reader.ValueTextEquals("name"u8) || reader.ValueTextEquals("labels"u8))) Replace(ref reader, text, ref copied, Part.Label, pid);
                }
            }
            json.Raw(text[copied..]);
        }

        private enum Part
        {
            Pid,
            Id,
            Time,
            SortIndex,
            Label,
        }

        private static (bool IsSortIndex, bool IsTrackName, long? Pid) Inspect(ReadOnlySpan<byte> text)
        {
            bool isSortIndex = false, isTrackName = false;
            long? pid = null;
            var reader = new Utf8JsonReader(text);
            reader.Read();
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                bool isName = reader.ValueTextEquals("name"u8), isPid = reader.ValueTextEquals("pid"u8);
                reader.Read();
                if (isName && reader.TokenType == JsonTokenType.String)
                {
                    isSortIndex = reader.ValueTextEquals("process_sort_index"u8);
                    isTrackName = reader.ValueTextEquals("process_name"u8) || reader.ValueTextEquals("process_labels"u8);
                }
                else if (isPid && reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out long value))
                {
                    pid = value;
                }
                reader.Skip();
            }
            return (isSortIndex, isTrackName, pid);
        }

        private void Replace(ref Utf8JsonReader reader, ReadOnlySpan<byte> text, ref int copied, Part part, long? pid)
        {
            reader.Read();
            int start = (int)reader.TokenStartIndex, end = (int)reader.BytesConsumed;
            bool isInteger = reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out _);
            long value = isInteger ? reader.GetInt64() : 0;
            if (reader.TokenType is not (JsonTokenType.Number or JsonTokenType.String)) return;
            json.Raw(text[copied..start]);
            copied = end;
            switch (part)
            {
                // Below zero is the collector's own track.
                case Part.Pid when isInteger:
                    json.Number(index * PidStride + value);
                    return;
                case Part.Id when isInteger:
                    json.Number(((long)index << 32) + value);
                    return;
                case Part.SortIndex:
                    json.Number(rank.SortIndex(pid!.Value));
                    return;
                case Part.Time when reader.TokenType == JsonTokenType.Number:
                    json.Microseconds(Math.Max(0, (long)(reader.GetDecimal() * 1000) + baseShift));
                    return;
                case Part.Pid or Part.Label when reader.TokenType == JsonTokenType.String:
                    json.Raw("\""u8);
                    json.Raw(_labelText);
                    json.Raw(text[(start + 1)..end]);
                    return;
                default:
                    json.Raw(text[start..end]);
                    return;
            }
        }
    }
}
