using System.Text.Json.Nodes;

namespace SgLang.Bench.Compare;

/// <summary>
/// Whether two files hold runs of the same thing. What is under test may differ: always the versions of tool and server, and whatever the user
/// names; everything else that shapes a figure must agree.
/// </summary>
internal static class Likeness
{
    /// <summary>Arguments that say where a run was written, shown or found, and shape no figure.</summary>
    private static readonly HashSet<string> s_immaterial =
    [
        "output_file", "output_details", "result_filename", "pydantic_result_filename", "server_args_for_metrics", "run_name", "tag", "plot", "html", "plot_throughput", "print_requests",
        "cache_report", "show_report", "disable_tqdm", "api_key", "admin_api_key", "base_url", "host", "port", "num_repeats", "log_level", "log_level_http", "log_file", "request_rate", "batch_size",
        "input_len", "output_len", "append_to_github_summary", "no_append_to_github_summary", "ready_check_timeout_sec", "hourly_price",
        "profile_output_dir", "profile_prefix",
    ];

    private const string FailedRequests = "failed_requests";

    /// <summary>Facts beside the arguments: name for the user, and where it is.</summary>
    private static readonly (string Name, Func<JsonObject, JsonNode?> Of)[] s_facts =
    [
        ("tool", line => line["tool"]), ("device", line => line["device"]), ("model", line => line["model"] ?? line["engine"]?["model_path"]), ("backend", line => line["backend"]),
        ("dtype", line => line["engine"]?["dtype"]), ("host_name", line => line["host"]?["name"]), ("processor", line => line["host"]?["processor"]),
        ("dataset", line => line["dataset"]?["sha256"]), ("cache_state", line => line["cache_state"]),
    ];

    private static bool IsKnown(string name, IEnumerable<ResultLine> lines) =>
        name == FailedRequests || s_facts.Any(fact => fact.Name == name) || ComparedFigures.Case.Contains(name) || lines.Any(line => (line.Json["arguments"] as JsonObject)?.ContainsKey(name) == true);

    /// <returns>
    /// Arguments that could not be compared, each with its value where one is set: a version that does not know a flag records nothing of it, and
    /// every version records all that it knows.
    /// </returns>
    /// <exception cref="UnlikeRunsException">All differences at once.</exception>
    public static IReadOnlyList<string> Check(CompareOptions options, IReadOnlyList<ResultLine> first, IReadOnlyList<ResultLine> second)
    {
        List<string> differences = [];
        string[] unknown = [.. options.MayDiffer.Where(name => !IsKnown(name, first.Concat(second)))];
        if (unknown.Length > 0) throw new BenchException($"--allow-difference: no line has {string.Join(", ", unknown)}; names are those of arguments and facts in result lines");
        SortedDictionary<string, string> notCompared = new(StringComparer.Ordinal);
        string[] missing = [.. first.Select(line => line.Case).Except(second.Select(line => line.Case)).Select(name => $"case '{name}' is only in {options.First}"),
            .. second.Select(line => line.Case).Except(first.Select(line => line.Case)).Select(name => $"case '{name}' is only in {options.Second}")];
        differences.AddRange(missing);
        foreach (IGrouping<string, ResultLine> group in first.Concat(second).GroupBy(line => line.Case))
        {
            JsonObject reference = group.First().Json;
            foreach (ResultLine line in group.Skip(1))
            {
                foreach ((string name, Func<JsonObject, JsonNode?> of) in s_facts) Compare(name, of(reference), of(line.Json));
                CompareArguments(reference["arguments"] as JsonObject ?? [], line.Json["arguments"] as JsonObject ?? []);
            }
        }
        if (first.Sum(line => line.Failures) + second.Sum(line => line.Failures) > 0 && !options.MayDiffer.Contains(FailedRequests))
            differences.Add($"requests failed, and failed ones are in no figure ({FailedRequests})");
        if (differences.Count > 0)
            throw new UnlikeRunsException($"these are not runs of the same thing:\n  {string.Join("\n  ", differences.Distinct())}\nName what is under test with --allow-difference, or measure again.");
        return [.. notCompared.Select(pair => pair.Key + pair.Value)];

        void CompareArguments(JsonObject a, JsonObject b)
        {
            foreach (string name in a.Select(pair => pair.Key).Union(b.Select(pair => pair.Key)))
            {
                if (s_immaterial.Contains(name)) continue;
                if (a.ContainsKey(name) && b.ContainsKey(name)) Compare(name, a[name], b[name]);
                else if (!options.MayDiffer.Contains(name)) notCompared[name] = ValueSet(a[name] ?? b[name]) is { } value ? $" ({value})" : "";
            }
        }

        static string? ValueSet(JsonNode? value) => value?.ToJsonString() is { } text && text != "false" ? text : null;

        void Compare(string name, JsonNode? a, JsonNode? b)
        {
            if (!options.MayDiffer.Contains(name) && !JsonNode.DeepEquals(a, b)) differences.Add($"{name}: {a?.ToJsonString() ?? "null"} and {b?.ToJsonString() ?? "null"}");
        }
    }
}
