using System.IO.Compression;
using System.Text.Json.Nodes;
using SgLang.Profiling.Tests.Files;

namespace SgLang.Profiling.Tests.Memory;

/// <summary>`MEM` in a trace file and in the snapshot beside it.</summary>
public sealed class MemoryEventsTests : IDisposable
{
    private readonly string _directory = TestDirectory.Create("sglang-memory");
    private readonly MemoryLedger _ledger = new();
    private readonly TraceRecorder _recorder = new();

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private (JsonNode Trace, object Snapshot) Record(Action work, string[] activities, long bytesPerToken = 8, int? device = 2)
    {
        string trace = "", snapshot = "";
        TraceCapture capture = new(_recorder, _directory, done =>
        {
            TraceFileInfo info = new()
            {
                Options = new ProfileOptions { OutputDirectory = _directory, Id = "7", Activities = activities },
                Rank = new(0),
                Memory = new TraceMemory(_ledger.EndHistory(), bytesPerToken, device),
            };
            trace = ChromeTraceWriter.Write(done, info).Path;
            snapshot = MemorySnapshot.Write(done, info.Memory, info);
        });
        _ledger.BeginHistory(100);
        work();
        capture.End();
        capture.Join();
        Assert.Empty(ReaderRules.Violations(trace));
        Assert.Equal("7-TP-0-memory.pickle", Path.GetFileName(snapshot));
        using GZipStream gzip = new(File.OpenRead(trace), CompressionMode.Decompress);
        return (JsonNode.Parse(gzip)!, Pickle.Load(File.ReadAllBytes(snapshot)));
    }

    private static JsonNode[] Events(JsonNode trace, string name) => [.. trace["traceEvents"]!.AsArray().Where(e => (string?)e!["name"] == name).Select(e => e!)];

    [Theory]
    [InlineData("CPU", "MEM")]
    [InlineData("MEM")]
    public void Blocks_their_changes_and_the_pools_use_are_events_and_counters(params string[] activities)
    {
        int plan = _recorder.Names.Register(TraceMemory.UsedTokensSpan, "step", "waiting", "used_tokens");
        _ledger.Allocate("w.weight", MemoryUse.Weights, 0x1000, 1000, isOnHost: false);
        _ledger.Allocate("KV cache", MemoryUse.KvCache, 0x2000, 500, isOnHost: false);
        MemoryBlock staging = _ledger.Allocate("staging", MemoryUse.Staging, 0x3000, 64, isOnHost: true);
        (JsonNode trace, object snapshot) = Record(() =>
        {
            _recorder.Write(_recorder.Begin(), plan, TraceKind.Span, TraceStage.Any, 0, 0, 1, 0, 40, 0);
            _ledger.Free(staging);
            MemoryBlock scratch = _ledger.Allocate("scratch", MemoryUse.Buffers, 0x4000, 128, isOnHost: false);
            foreach (long used in (long[])[40, 50, 30]) _recorder.Write(_recorder.Begin(), plan, TraceKind.Span, TraceStage.Any, 0, 0, 1, 0, used, 0);
            _ledger.Free(scratch);
        }, activities);

        JsonNode[] changes = Events(trace, "[memory]");
        // Weights and staging at the start, 40 tokens, staging goes, scratch comes, 50 and 30 tokens, scratch goes.
        Assert.Equal([1000L, 64, 320, -64, 128, 80, -160, -128], changes.Select(e => (long)e["args"]!["Bytes"]!));
        Assert.Equal([1000L, 64, 1320, 0, 1448, 1528, 1368, 1240], changes.Select(e => (long)e["args"]!["Total Allocated"]!));
        Assert.Equal([1500L, 64, 1500, 0, 1628, 1628, 1628, 1500], changes.Select(e => (long)e["args"]!["Total Reserved"]!));
        Assert.Equal([(1, 2), (0, -1), (1, 2), (0, -1), (1, 2), (1, 2), (1, 2), (1, 2)], changes.Select(e => ((int)e["args"]!["Device Type"]!, (int)e["args"]!["Device Id"]!)));
        Assert.Equal(changes.Select(e => (double)e["ts"]!).Order(), changes.Select(e => (double)e["ts"]!));
        Assert.Equal([320L, 320, 400, 240], Events(trace, "KV pool").Select(e => (long)e["args"]!["bytes in use"]!));
        Assert.Equal([0L, 320, 320, 320, 400, 240, 240], Events(trace, "GPU 2 memory").Select(e => (long)e["args"]!["KV cache"]!));
        Assert.Equal([64L, 64, 0, 0, 0, 0, 0], Events(trace, "host memory").Select(e => (long)e["args"]!["staging"]!));
        Assert.Equal(activities.Contains("CPU") ? 4 : 0, Events(trace, TraceMemory.UsedTokensSpan).Length);
        Assert.Equal(1, (int)trace["profile_memory"]!);

        var fields = (Dictionary<object, object?>)snapshot;
        var segments = ((List<object?>)fields["segments"]!).Cast<Dictionary<object, object?>>().ToArray();
        Assert.Equal([("w.weight", 0x1000L, 1000L, 2L), ("KV cache", 0x2000, 500, 2)], segments.Select(s => (NameOf(s), (long)s["address"]!, (long)s["total_size"]!, (long)s["device"]!)).OrderBy(s => s.Item2));
        var traces = ((List<object?>)fields["device_traces"]!).Select(t => ((List<object?>)t!).Cast<Dictionary<object, object?>>().ToArray()).ToArray();
        Assert.Equal([0, 0, 2, 1], traces.Select(t => t.Length));
        Assert.Equal([("alloc", "scratch"), ("free_completed", "scratch")], traces[2].Select(e => ((string)e["action"]!, NameOf(e))));
        Assert.Equal([("free_completed", "staging")], traces[3].Select(e => ((string)e["action"]!, NameOf(e))));
    }

    [Fact]
    public void Without_a_plan_the_pool_is_reserved_and_nothing_of_it_is_in_use()
    {
        _ledger.Allocate("KV cache", MemoryUse.KvCache, 1L << 40, 5L << 32, isOnHost: false);
        (JsonNode trace, object snapshot) = Record(static () => { }, ["CPU", "MEM"], device: null);
        Assert.Empty(Events(trace, "[memory]"));
        Assert.Equal(0, (long)Events(trace, "host memory").Single()["args"]!["KV cache"]!);
        var segment = (Dictionary<object, object?>)((List<object?>)((Dictionary<object, object?>)snapshot)["segments"]!).Single()!;
        Assert.Equal((1L << 40, 5L << 32, 0L), ((long)segment["address"]!, (long)segment["total_size"]!, (long)segment["device"]!));
    }

    [Fact]
    public void A_history_keeps_so_many_changes_and_counts_the_rest()
    {
        MemoryBlock before = _ledger.Allocate("a", MemoryUse.Buffers, 1, 1, isOnHost: false);
        _ledger.BeginHistory(2);
        for (int i = 0; i < 3; i++) _ledger.Free(_ledger.Allocate("b", MemoryUse.Buffers, 2, 1, isOnHost: false));
        MemoryHistory history = _ledger.EndHistory();
        Assert.Equal((2, 4L), (history.Changes.Count, history.Dropped));
        Assert.Equal([before], history.Blocks);
        _ledger.Free(before);
        _ledger.BeginHistory(2);
        history = _ledger.EndHistory();
        Assert.Equal((0, 0, 0L), (history.Changes.Count, history.Blocks.Count, history.Dropped));
    }

    private static string NameOf(Dictionary<object, object?> entry) => (string)((Dictionary<object, object?>)((List<object?>)entry["frames"]!)[0]!)["name"]!;
}
