using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using SgLang.Engine;

namespace SgLang.Bench.Reports;

/// <summary>What a result line says beside its figures, so that a figure can be repeated and two can be compared.</summary>
public static class RunFacts
{
    public const int SchemaVersion = 1;

    /// <summary>Adds schema and tool version, time, host and arguments to a result.</summary>
    public static JsonObject AddTo(JsonObject result, string tool, JsonObject arguments, EngineInfo? engine = null)
    {
        result["schema_version"] = SchemaVersion;
        result["tool"] = tool;
        result["tool_version"] = typeof(RunFacts).Assembly.GetName().Version?.ToString(3);
        result["time"] = DateTime.UtcNow.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);
        result["host"] = new JsonObject
        {
            ["name"] = Environment.MachineName,
            ["os"] = RuntimeInformation.OSDescription,
            ["runtime"] = RuntimeInformation.FrameworkDescription,
            ["processor"] = ProcessorName(),
            ["logical_processors"] = Environment.ProcessorCount,
        };
        if (engine is not null)
        {
            result["device"] = engine.Device;
            // Of the whole process since its start, weights and KV cache of a CPU model included.
            result["peak_host_memory_bytes"] = PeakMemory();
            result["engine"] = new JsonObject
            {
                ["model_path"] = engine.ModelPath,
                ["model_type"] = engine.ModelType,
                ["dtype"] = engine.DType,
                ["num_threads"] = engine.NumThreads,
                ["page_size"] = engine.PageSize,
                ["context_length"] = engine.ContextLength,
                ["max_total_num_tokens"] = engine.MaxTotalTokens,
                ["max_running_requests"] = engine.MaxRunningRequests,
                ["weight_bytes"] = engine.WeightBytes,
                ["kv_cache_bytes"] = engine.KvCacheBytes,
            };
        }
        result["arguments"] = arguments.DeepClone();
        return result;
    }

    private static long PeakMemory()
    {
        using var process = System.Diagnostics.Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
    }

    private static string? ProcessorName()
    {
        const string Key = "model name";
        try
        {
            string? line = File.ReadLines("/proc/cpuinfo").FirstOrDefault(l => l.StartsWith(Key, StringComparison.Ordinal));
            return line?[(line.IndexOf(':') + 1)..].Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
