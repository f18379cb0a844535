using System.Text.Json.Nodes;
using SgLang.Bench.Reports;

namespace SgLang.Bench.OneBatch;

/// <summary>What the operators of a prefill, or of all decode steps of a case, had to do at least, and how long the device took.</summary>
/// <param name="Flops">Multiplications and additions.</param>
/// <param name="Bytes">Every input read and every output written once, weights and the KV cache included.</param>
public readonly record struct StageWork(long Flops, long Bytes, double DeviceSeconds)
{
    public static StageWork Of((long Flops, long Bytes) work, double deviceSeconds) => new(work.Flops, work.Bytes, deviceSeconds);

    /// <summary>Null when nothing ran.</summary>
    public double? FlopsPerSecond => DeviceSeconds > 0 ? Flops / DeviceSeconds : null;
    public double? BytesPerSecond => DeviceSeconds > 0 ? Bytes / DeviceSeconds : null;

    internal void AddTo(JsonObject json, string stage)
    {
        json[$"{stage}_flops"] = Flops;
        json[$"{stage}_bytes"] = Bytes;
        json[$"{stage}_flops_per_second"] = ResultFile.Number(FlopsPerSecond);
        json[$"{stage}_bytes_per_second"] = ResultFile.Number(BytesPerSecond);
    }
}
