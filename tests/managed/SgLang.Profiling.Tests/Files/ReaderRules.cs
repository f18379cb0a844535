using System.Globalization;
using System.IO.Compression;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace SgLang.Profiling.Tests.Files;

/// <summary>
/// What readers of trace files require (spec/profiling.md 11): Perfetto's JSON importer, Holistic Trace Analysis and TraceLens. Gives every
/// violation with the rule's name.
/// </summary>
internal static partial class ReaderRules
{
    private static readonly Dictionary<string, string> s_metadata = new()
    {
        ["process_name"] = "name",
        ["process_labels"] = "labels",
        ["process_sort_index"] = "sort_index",
        ["thread_name"] = "name",
        ["thread_sort_index"] = "sort_index",
    };

    private static readonly string[] s_deviceWork = ["kernel", "gpu_memcpy", "gpu_memset"];
    private static readonly string[] s_calls = ["cuda_runtime", "cuda_driver"];

    public static List<string> Violations(string path)
    {
        byte[] bytes = File.ReadAllBytes(path);
        if (bytes.Length > 1 && bytes[0] == 0x1f)
        {
            using var gzip = new GZipStream(new MemoryStream(bytes), CompressionMode.Decompress);
            using var plain = new MemoryStream();
            gzip.CopyTo(plain);
            bytes = plain.ToArray();
        }
        string text = Encoding.UTF8.GetString(bytes);
        return Violations(JsonNode.Parse(text)!, text);
    }

    public static List<string> Violations(JsonNode trace, string text)
    {
        List<string> wrong = [];
        JsonNode[] events = [.. trace["traceEvents"]!.AsArray()!], spans = [.. events.Where(e => Text(e["ph"]) == "X")];
        if (trace["distributedInfo"] is { } info && FirstRank().Match(text) is var match && (!match.Success || int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture) != (int)info["rank"]!))
            wrong.Add("hta-rank: the first \"rank\": with a space and digits behind it is not the file's");
        foreach (JsonNode e in events) CheckEvent(e, wrong);
        foreach (JsonNode e in spans) CheckSpan(e, wrong);
        CheckLaunches(events, spans, wrong);
        CheckNesting(spans, wrong);
        return wrong;
    }

    private static void CheckEvent(JsonNode e, List<string> wrong)
    {
        string phase = Text(e["ph"]), name = Text(e["name"]);
        if (phase is "s" or "f" && !IsInteger(e["id"])) wrong.Add($"perfetto-flow-id: {e["id"]}");
        if (phase != "M") return;
        if (!s_metadata.TryGetValue(name, out string? key)) wrong.Add($"tracelens-metadata: {name} is none of the five names");
        else if (e["args"]?[key] is null) wrong.Add($"tracelens-metadata: {name} has no {key}");
        if (Nanoseconds(e["ts"]) is not >= 0) wrong.Add($"perfetto-metadata-time: {name} at {e["ts"]}");
    }

    private static void CheckSpan(JsonNode e, List<string> wrong)
    {
        string category = Text(e["cat"]), name = Text(e["name"]);
        if (category.Length == 0 || Nanoseconds(e["dur"]) is null) wrong.Add($"hta-dropped: {name} has no cat or no dur");
        if (Nanoseconds(e["dur"]) is < 0 or > 7L * 86400 * 1_000_000_000) wrong.Add($"hta-duration: {name} lasts {e["dur"]} us");
        if (category != "Trace" && (!IsInteger(e["pid"]) || !IsInteger(e["tid"]))) wrong.Add($"perfetto-track: {name} is on {e["pid"]}/{e["tid"]}");
        JsonNode? arguments = e["args"];
        if (s_deviceWork.Contains(category))
        {
            if (!IsInteger(arguments?["stream"]) || (long)arguments!["stream"]! <= 0) wrong.Add($"hta-stream: {name} has stream {arguments?["stream"]}");
            if (!IsInteger(arguments?["correlation"]) || (long)arguments!["correlation"]! < 0) wrong.Add($"hta-correlation: {name} has correlation {arguments?["correlation"]}");
        }
        else if (category is "cpu_op" or "user_annotation" or "python_function" or "cuda_runtime" or "cuda_driver")
        {
            if (arguments?["stream"] is { } stream && Text(stream) != "-1") wrong.Add($"hta-stream: {name} is of the host and has stream {stream}");
        }
        if (s_calls.Contains(category) && (!IsInteger(arguments?["correlation"]) || (long)arguments!["correlation"]! < 0)) wrong.Add($"hta-correlation: {name} has correlation {arguments?["correlation"]}");
        if (name.StartsWith("step[", StringComparison.Ordinal) && !StepName().IsMatch(name)) wrong.Add($"tracelens-step: {name}");
    }

    /// <summary>TraceLens finds the kernel of a launch through the pair of flow ends alone, of a graph's launch through the correlation.</summary>
    private static void CheckLaunches(JsonNode[] events, JsonNode[] spans, List<string> wrong)
    {
        JsonNode? first = Array.Find(spans, e => s_calls.Contains(Text(e["cat"])) && Text(e["name"]).Contains("launch", StringComparison.OrdinalIgnoreCase));
        if (first is not null && !IsInteger(first["args"]?["correlation"])) wrong.Add("tracelens-first-launch: has no correlation");
        HashSet<string> starts = [.. events.Where(e => Text(e["ph"]) == "s" && Text(e["cat"]) == "ac2g").Select(End)];
        HashSet<string> ends = [.. events.Where(e => Text(e["ph"]) == "f" && Text(e["cat"]) == "ac2g" && Text(e["bp"]) == "e").Select(End)];
        var calls = spans.Where(e => s_calls.Contains(Text(e["cat"])) && e["args"]?["correlation"] is not null).GroupBy(e => Text(e["args"]!["correlation"])).ToDictionary(g => g.Key, g => g.First());
        HashSet<string> ended = [.. events.Where(e => Text(e["ph"]) == "f" && Text(e["cat"]) == "ac2g").Select(e => Text(e["id"]))];
        foreach (JsonNode kernel in spans.Where(e => s_deviceWork.Contains(Text(e["cat"]))))
        {
            if (kernel["args"]?["correlation"] is not { } correlation || !calls.TryGetValue(Text(correlation), out JsonNode? call)) continue;
            if (!starts.Contains($"{correlation}@{call["pid"]}/{call["tid"]}/{Nanoseconds(call["ts"])}")) wrong.Add($"tracelens-flow: no arrow starts at the launch of {kernel["name"]}");
            if (kernel["args"]!["graph node id"] is not null ? !ended.Contains(Text(correlation)) : !ends.Contains($"{correlation}@{kernel["pid"]}/{kernel["tid"]}/{Nanoseconds(kernel["ts"])}")) wrong.Add($"tracelens-flow: no arrow ends at {kernel["name"]}");
        }

        static string End(JsonNode e) => $"{e["id"]}@{e["pid"]}/{e["tid"]}/{Nanoseconds(e["ts"])}";
    }

    /// <summary>Perfetto drops a slice of a track that neither nests in nor is apart from another.</summary>
    private static void CheckNesting(JsonNode[] spans, List<string> wrong)
    {
        foreach (var track in spans.Where(e => Nanoseconds(e["ts"]) is not null && Nanoseconds(e["dur"]) is not null).GroupBy(e => $"{e["pid"]}/{e["tid"]}"))
        {
            Stack<long> open = new();
            foreach ((string name, long start, long end) in track.Select(e => (Text(e["name"]), Nanoseconds(e["ts"])!.Value, Nanoseconds(e["ts"])!.Value + Nanoseconds(e["dur"])!.Value)).OrderBy(e => e.Item2).ThenByDescending(e => e.Item3))
            {
                while (open.Count > 0 && open.Peek() <= start) open.Pop();
                if (open.Count > 0 && end > open.Peek()) wrong.Add($"perfetto-nesting: track {track.Key}: {name} at {start} reaches {end - open.Peek()} ns over the end of what it began in");
                else open.Push(end);
            }
        }
    }

    private static string Text(JsonNode? node) => node?.ToString() ?? "";

    private static bool IsInteger(JsonNode? node) => node is JsonValue value && value.GetValueKind() == JsonValueKind.Number && long.TryParse(value.ToJsonString(), out _);

    private static long? Nanoseconds(JsonNode? microseconds) => microseconds is JsonValue value && value.GetValueKind() == JsonValueKind.Number ? (long)Math.Round((decimal)value * 1000) : null;

    [GeneratedRegex("\"rank\":\\s+(\\d+)")]
    private static partial Regex FirstRank();

    [GeneratedRegex(@"^step\[(EXTEND|DECODE|MIXED|IDLE|TARGET_VERIFY|DRAFT_EXTEND_V2|SPLIT_PREFILL|DLLM_EXTEND) bs=\d+( \w+=\d+)*\]$")]
    private static partial Regex StepName();
}
