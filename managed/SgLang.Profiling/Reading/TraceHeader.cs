using System.Text.Json;

namespace SgLang.Profiling;

/// <summary>What a trace says of itself before its events.</summary>
/// <param name="BaseNanoseconds">What its times are relative to.</param>
/// <param name="Rank">Of distributedInfo; null where it says nothing.</param>
/// <param name="WorldSize">Likewise.</param>
/// <param name="IsOurs">This program has written it.</param>
internal readonly record struct TraceHeader(long BaseNanoseconds, int? Rank, int? WorldSize, bool IsOurs)
{
    /// <summary>The base stands before the events in every known trace; only one that has it behind them is read through for it.</summary>
    /// <exception cref="JsonException">The file is damaged where it was read.</exception>
    public static TraceHeader Read(string path)
    {
        using var reader = new TraceReader(path);
        var scratch = new TraceEvent();
        bool more = true;
        while (more && reader.BaseNanoseconds is null) more = reader.TryRead(scratch);
        int? rank = null, worldSize = null;
        if (reader.Member("distributedInfo") is { } info)
        {
            using JsonDocument document = JsonDocument.Parse(info);
            rank = Integer(document.RootElement, "rank");
            worldSize = Integer(document.RootElement, "world_size");
        }
        return new TraceHeader(reader.BaseNanoseconds ?? 0, rank, worldSize, reader.Member("sglang") is not null);
    }

    private static int? Integer(JsonElement of, string name) =>
        of.ValueKind == JsonValueKind.Object && of.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) ? number : null;
}
