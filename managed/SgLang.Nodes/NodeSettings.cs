using System.Globalization;
using System.IO.Hashing;
using SgLang.Core;

namespace SgLang.Nodes;

/// <summary>What all nodes must have alike, since one scheduler plans for all: options, the model and the program.</summary>
internal static class NodeSettings
{
    public static Dictionary<string, string> Of(EngineOptions options) => new(StringComparer.Ordinal)
    {
        ["the program's version"] = typeof(NodeSettings).Assembly.GetName().Version!.ToString(),
        ["--nnodes"] = Text(options.NumNodes),
        ["--tp-size"] = Text(options.TpSize),
        ["--pp-size"] = Text(options.PpSize),
        ["--pp-async-batch-depth"] = Text(options.PpAsyncBatchDepth),
        ["--pp-max-micro-batch-size"] = Text(options.PpMaxMicroBatchSize),
        ["--ep-size"] = Text(options.EpSize),
        ["--dp-size"] = Text(options.DpSize),
        ["--dtype"] = options.DType.ToString(),
        ["--load-format"] = options.LoadFormat.ToString(),
        ["--page-size"] = Text(options.PageSize),
        ["--context-length"] = Text(options.ContextLength),
        ["--chunked-prefill-size"] = Text(options.ChunkedPrefillSize),
        ["--max-prefill-tokens"] = Text(options.MaxPrefillTokens),
        ["--max-running-requests"] = Text(options.MaxRunningRequests),
        ["--json-model-override-args"] = options.JsonModelOverrideArgs,
        ["the model's config.json"] = Fingerprint(Path.Combine(options.ModelPath, "config.json")),
    };

    /// <summary>What differs first, for the user; null when nothing does.</summary>
    public static string? Difference(IReadOnlyDictionary<string, string> head, IReadOnlyDictionary<string, string> node, int rank)
    {
        foreach ((string name, string value) in head)
        {
            string other = node.TryGetValue(name, out string? found) ? found : "nothing";
            if (other != value) return $"node {rank} has {name} {other}, node 0 has {value}: all nodes need the same";
        }
        return null;
    }

    private static string Text(int? value) => value?.ToString(CultureInfo.InvariantCulture) ?? "by default";

    /// <summary>A file that cannot be read is the loader's to complain about.</summary>
    private static string Fingerprint(string path)
    {
        try
        {
            return XxHash64.HashToUInt64(File.ReadAllBytes(path)).ToString("x16", CultureInfo.InvariantCulture);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return "unreadable";
        }
    }
}
