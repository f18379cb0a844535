using System.Text.Json.Nodes;
using SgLang.Bench.Reports;
using SgLang.Bench.Statistics;

namespace SgLang.Bench.OneBatch;

/// <summary>One measured case; times in seconds.</summary>
public sealed record OneBatchResult(string RunName, int BatchSize, int InputLength, int OutputLength, int PromptTokens, double PrefillLatency, double[] DecodeLatencies)
{
    public Summary Decode { get; } = Summary.Of(DecodeLatencies);

    /// <summary>The steps by the device's own clock.</summary>
    public Summary DeviceDecode { get; init; } = Summary.Of([]);
    public StageWork PrefillWork { get; init; }
    public StageWork DecodeWork { get; init; }

    /// <summary>Most bytes in use on the GPU so far, by whichever process; null on the CPU.</summary>
    public long? PeakDeviceBytes { get; init; }

    /// <summary>Traces of this case's second run; null when it had none.</summary>
    public IReadOnlyList<string>? ProfileFiles { get; init; }

    /// <summary>Prefill and the sum of the steps; the time between steps is not in it.</summary>
    public double TotalLatency => PrefillLatency + DecodeLatencies.Sum();

    public double OverallThroughput => (PromptTokens + ((double)BatchSize * OutputLength)) / TotalLatency;

    /// <summary>The known field names first; the median's are absent when there is no decode step.</summary>
    public JsonObject ToJson()
    {
        JsonObject json = new()
        {
            ["run_name"] = RunName,
            ["batch_size"] = BatchSize,
            ["input_len"] = InputLength,
            ["output_len"] = OutputLength,
            ["prefill_latency"] = PrefillLatency,
            ["prefill_throughput"] = PromptTokens / PrefillLatency,
        };
        if (Decode.Median is { } median)
        {
            json["median_decode_latency"] = median;
            json["median_decode_throughput"] = BatchSize / median;
        }
        json["total_latency"] = TotalLatency;
        json["overall_throughput"] = OverallThroughput;
        json["prompt_tokens"] = PromptTokens;
        json["decode_steps"] = Decode.Count;
        json["first_decode_latency"] = DecodeLatencies.Length > 0 ? JsonValue.Create(DecodeLatencies[0]) : null;
        json["mean_decode_latency"] = ResultFile.Number(Decode.Mean);
        json["std_decode_latency"] = ResultFile.Number(Decode.StandardDeviation);
        json["p90_decode_latency"] = ResultFile.Number(Decode.P90);
        json["p99_decode_latency"] = ResultFile.Number(Decode.P99);
        json["prefill_device_latency"] = PrefillWork.DeviceSeconds;
        json["median_decode_device_latency"] = ResultFile.Number(DeviceDecode.Median);
        json["p99_decode_device_latency"] = ResultFile.Number(DeviceDecode.P99);
        PrefillWork.AddTo(json, "prefill");
        DecodeWork.AddTo(json, "decode");
        json["peak_device_memory_bytes"] = PeakDeviceBytes;
        if (ProfileFiles is { } files) json["profile_files"] = new JsonArray([.. files.Select(file => (JsonNode)file)]);
        return json;
    }
}
