using System.Globalization;
using System.Text.Json;
using SgLang.Profiling;
using SgLang.Protocol;

namespace SgLang.Server.Serving;

/// <summary>
/// The body of /start_profile with the environment's defaults. Lenient as its users expect: numbers may come as strings, booleans as 0, 1 or
/// text, and unknown keys are ignored.
/// </summary>
internal static class ProfileBody
{
    public const string DirectoryVariable = "SGLANG_TORCH_PROFILER_DIR";
    public const string SecondManagerVariable = "SGLANG_PROFILE_V2";
    public const string DecodeBatchVariable = "SGLANG_PROFILE_BY_STAGE_DECODE_MIN_BS";
    private const int DefaultStageSteps = 5;
    private const double MostFlightSeconds = 3600;

    private static readonly string[] s_activities = ["CPU", "GPU", "MEM", "CUDA_PROFILER", "RPD", "XPU"];

    /// <param name="body">Empty for all defaults.</param>
    /// <param name="root">Absolute directory that files must go into; null for any.</param>
    /// <exception cref="MalformedBodyException">Not a JSON object, or a value that cannot be honoured.</exception>
    public static ProfileOptions Parse(ReadOnlyMemory<byte> body, Func<string, string?> variable, DateTimeOffset now, string? root = null)
    {
        using JsonDocument? document = body.IsEmpty ? null : ParseJson(body);
        JsonElement json = document?.RootElement ?? default;
        bool byStage = Boolean(json, "profile_by_stage") ?? false;
        string[]? stageNames = Texts(json, "profile_stages");
        long? steps = Positive(json, "num_steps");
        return new ProfileOptions
        {
            OutputDirectory = DirectoryOf(Text(json, "output_dir") ?? variable(DirectoryVariable), root),
            Id = FileNamePart("profile_id", Text(json, "profile_id")) ?? (now.ToUnixTimeMilliseconds() / 1000.0).ToString("0.000", CultureInfo.InvariantCulture),
            Prefix = FileNamePart("profile_prefix", Text(json, "profile_prefix")),
            NumSteps = steps is { } number ? (int)Math.Min(number, int.MaxValue) : byStage ? DefaultStageSteps : null,
            StartStep = Positive(json, "start_step"),
            StartAfterSteps = Positive(json, "start_after_steps"),
            Condition = Condition(json, byStage ? variable(DecodeBatchVariable) : null),
            UsesLowercaseStages = IsSet(variable(SecondManagerVariable)),
            Stages = byStage ? Stages(stageNames) : [],
            Format = Format(Text(json, "trace_format")),
            MergeProfiles = Boolean(json, "merge_profiles") ?? false,
            WithStack = (Boolean(json, "with_stack") ?? true) && ProfileSwitches.AllowsStacks(variable),
            RecordShapes = (Boolean(json, "record_shapes") ?? true) && ProfileSwitches.AllowsShapes(variable),
            DetailedAnnotations = Boolean(json, "detailed_annotations") ?? false,
            Activities = Activities(Texts(json, "activities")),
        };
    }

    /// <summary>The body of /dump_flight_record: `output_dir`, `seconds`, `profile_id`, each left to the server's own where it is absent.</summary>
    /// <param name="body">Empty for all defaults.</param>
    /// <param name="root">Absolute directory that files must go into; null for any.</param>
    /// <exception cref="MalformedBodyException">Not a JSON object, or a value that cannot be honoured.</exception>
    public static FlightBody ParseFlight(ReadOnlyMemory<byte> body, string? root = null)
    {
        using JsonDocument? document = body.IsEmpty ? null : ParseJson(body);
        JsonElement json = document?.RootElement ?? default;
        TimeSpan? length = null;
        if (Field(json, "seconds") is { } value)
        {
            string text = value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();
            if (!double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double seconds) || !(seconds is > 0 and <= MostFlightSeconds))
                throw Wrong("seconds", $"a number above 0 and at most {MostFlightSeconds}", value);
            length = TimeSpan.FromSeconds(seconds);
        }
        string? directory = Text(json, "output_dir");
        return new FlightBody(directory is null ? null : DirectoryOf(directory, root), length, FileNamePart("profile_id", Text(json, "profile_id")));
    }

    private static JsonDocument ParseJson(ReadOnlyMemory<byte> body)
    {
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(body);
        }
        catch (JsonException e)
        {
            throw new MalformedBodyException("The request body is not valid JSON.", e);
        }
        if (document.RootElement.ValueKind == JsonValueKind.Object) return document;
        document.Dispose();
        throw new MalformedBodyException("The request body must be a JSON object.");
    }

    private static JsonElement? Field(JsonElement root, string name) =>
        root.ValueKind == JsonValueKind.Object && root.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private static string? Text(JsonElement root, string name) => Field(root, name) is not { } value ? null
        : value.ValueKind == JsonValueKind.String ? value.GetString() : throw Wrong(name, "a string", value);

    private static bool? Boolean(JsonElement root, string name)
    {
        if (Field(root, name) is not { } value) return null;
        string text = value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();
        return text.ToLowerInvariant() switch
        {
            "true" or "1" => true,
            "false" or "0" => false,
            _ => throw Wrong(name, "true or false", value),
        };
    }

    /// <summary>Null also for 0, which asks for the default.</summary>
    private static long? Positive(JsonElement root, string name)
    {
        if (Field(root, name) is not { } value) return null;
        string text = value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();
        if (!long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) || number < 0) throw Wrong(name, "an integer of at least 0", value);
        return number == 0 ? null : number;
    }

    private static string[]? Texts(JsonElement root, string name)
    {
        if (Field(root, name) is not { } value) return null;
        if (value.ValueKind != JsonValueKind.Array || value.EnumerateArray().Any(item => item.ValueKind != JsonValueKind.String)) throw Wrong(name, "a list of strings", value);
        return [.. value.EnumerateArray().Select(item => item.GetString()!)];
    }

    private static TraceFormat Format(string? name) => name switch
    {
        null or "json" => TraceFormat.Json,
        "pftrace" => TraceFormat.Pftrace,
        _ => throw new MalformedBodyException($"trace_format must be json or pftrace, got '{name}'."),
    };

    private static string[] Activities(string[]? given)
    {
        if (given is null) return ["CPU", "GPU"];
        string[] unknown = [.. given.Where(name => !s_activities.Contains(name))];
        if (given.Length == 0 || unknown.Length > 0)
            throw new MalformedBodyException($"activities must be one or more of {string.Join(", ", s_activities)}, got {(given.Length == 0 ? "none" : string.Join(", ", unknown))}.");
        return given;
    }

    /// <summary>`condition`: {"min_batch_size": n, "rid": text, "prefill_longer_than": n}, each alone or together.</summary>
    /// <param name="minDecodeBatch">What the environment says of decode steps.</param>
    private static StepCondition Condition(JsonElement root, string? minDecodeBatch)
    {
        JsonElement given = Field(root, "condition") ?? default;
        if (given.ValueKind is not (JsonValueKind.Undefined or JsonValueKind.Object)) throw Wrong("condition", "an object", given);
        if (given.ValueKind == JsonValueKind.Object)
        {
            foreach (JsonProperty property in given.EnumerateObject())
                if (property.Name is not ("min_batch_size" or "rid" or "prefill_longer_than"))
                    throw new MalformedBodyException($"condition may have min_batch_size, rid and prefill_longer_than, got {property.Name}.");
        }
        int? decode = int.TryParse(minDecodeBatch, NumberStyles.None, CultureInfo.InvariantCulture, out int least) && least > 1 ? least : null;
        return new StepCondition(Small(Positive(given, "min_batch_size")), Text(given, "rid"), Small(Positive(given, "prefill_longer_than")), decode);

        static int? Small(long? value) => value is { } number ? (int)Math.Min(number, int.MaxValue) : null;
    }

    private static TraceStage[] Stages(string[]? names)
    {
        if (names is null) return [TraceStage.Extend, TraceStage.Decode];
        TraceStage[] stages = [.. names.Select(name => name switch
        {
            "prefill" => TraceStage.Extend,
            "decode" => TraceStage.Decode,
            _ => throw new MalformedBodyException($"profile_stages must be of prefill and decode, got '{name}'."),
        }).Distinct().Order()];
        return stages.Length > 0 ? stages : throw new MalformedBodyException("profile_stages must be of prefill and decode, got none.");
    }

    private static string DirectoryOf(string? given, string? root)
    {
        string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        string wanted = string.IsNullOrEmpty(given) ? root ?? "/tmp"
            : given == "~" ? home
            : given.StartsWith("~/", StringComparison.Ordinal) ? Path.Combine(home, given[2..])
            : given;
        string directory = Path.GetFullPath(wanted);
        if (root is null || IsWithin(directory, root)) return directory;
        throw new MalformedBodyException($"output_dir must lie in {root} (--profile-output-root), got '{directory}'.");
    }

    /// <summary>Links on the way are followed, so that none leads out.</summary>
    private static bool IsWithin(string directory, string root)
    {
        string within = Path.TrimEndingDirectorySeparator(Resolve(root));
        string resolved = Resolve(directory);
        return resolved == within || resolved.StartsWith(within + Path.DirectorySeparatorChar, StringComparison.Ordinal);
    }

    private static string Resolve(string path)
    {
        string resolved = Path.GetPathRoot(path)!;
        foreach (string part in path[resolved.Length..].Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries))
        {
            string next = Path.Combine(resolved, part);
            var info = new DirectoryInfo(next);
            resolved = info.LinkTarget is null ? next : info.ResolveLinkTarget(returnFinalTarget: true)!.FullName;
        }
        return resolved;
    }

    private static string? FileNamePart(string name, string? value)
    {
        if (string.IsNullOrEmpty(value)) return null;
        return value.Length <= 200 && !value.Any(c => c is '/' or '\\' || char.IsControl(c))
            ? value
            : throw new MalformedBodyException($"{name} becomes part of a file's name: at most 200 characters without slashes and control characters.");
    }

    /// <summary>An environment switch that is not set is on; text that is neither true nor false counts as false.</summary>
    private static bool IsSet(string? value) => value?.ToLowerInvariant() is "true" or "1";

    private static MalformedBodyException Wrong(string name, string wanted, JsonElement value) => new($"{name} must be {wanted}, got {value.GetRawText()}.");
}
