using System.IO.Compression;
using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;

namespace SgLang.Profiling.Tests.Files;

/// <summary>Call stacks as functions in a trace file.</summary>
public sealed class FunctionEventsTests : IDisposable
{
    private const string Here = "SgLang.Profiling.Tests.Files.FunctionEventsTests.";
    private readonly string _directory = TestDirectory.Create("sglang-functions");
    private readonly TraceRecorder _recorder = new();
    private readonly int _step, _linear;
    private readonly int[] _layers, _projections;

    public FunctionEventsTests()
    {
        _step = _recorder.Names.Register("forward");
        _linear = _recorder.Names.Register("sgl::linear");
        _layers = [.. Enumerable.Range(0, 12).Select(i => _recorder.Names.Register($"model.layers.{i}"))];
        _projections = [.. Enumerable.Range(0, 12).Select(i => _recorder.Names.Register($"model.layers.{i}.q_proj"))];
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    /// <summary>Records on a thread of its own until every place's stack is known, then once more.</summary>
    private JsonNode Record(Action work, bool withStacks = true)
    {
        for (int round = 0; ; round++)
        {
            TraceFile? written = null;
            int unknown = 0;
            TraceCapture capture = new(_recorder, _directory, done =>
            {
                unknown = done.Stacks?.NumUnknown ?? 0;
                written = ChromeTraceWriter.Write(done, new TraceFileInfo { Options = new ProfileOptions { OutputDirectory = _directory, Id = "1", WithStack = withStacks }, Rank = new(0) });
            }, withStacks: withStacks);
            // The same thread in every round: what is known of its stacks lasts as long as it does.
            work();
            capture.End();
            capture.Join();
            Assert.Empty(ReaderRules.Violations(written!.Path));
            if (unknown > 0 && round < 500) continue;
            Assert.Equal(0, unknown);
            using GZipStream gzip = new(File.OpenRead(written.Path), CompressionMode.Decompress);
            return JsonNode.Parse(gzip)!;
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Forward(int layers)
    {
        long start = _recorder.Begin();
        for (int i = 0; i < layers; i++) Layer(i);
        _recorder.End(start, _step);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Layer(int i)
    {
        long start = _recorder.Begin();
        Project(i);
        _recorder.Write(start, _layers[i], TraceKind.Module, TraceStage.Any, 0, 0, 0, 0, 0, 0);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Project(int i)
    {
        long start = _recorder.Begin();
        Multiply(i);
        _recorder.Write(start, _projections[i], TraceKind.Module, TraceStage.Any, 0, 0, 0, 0, 0, 0);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Multiply(int i)
    {
        long start = _recorder.Begin();
        _recorder.Write(start, _linear, TraceKind.Operator, TraceStage.Any, 0, 0, 0, 0, 0, 0, _projections[i] + 1);
    }

    private static JsonNode[] Functions(JsonNode trace) => [.. trace["traceEvents"]!.AsArray().Where(e => (string?)e!["cat"] == "python_function").Select(e => e!)];

    private static (long Start, long End) Range(JsonNode e)
    {
        long start = (long)Math.Round((decimal)e["ts"]! * 1000);
        return (start, start + (long)Math.Round((decimal)e["dur"]! * 1000));
    }

    [Fact]
    public void Every_call_of_a_function_that_records_spans_is_an_event_around_them()
    {
        JsonNode trace = Record(() =>
        {
            Forward(12);
            Forward(3);
        });
        Assert.Equal(1, (int)trace["with_stack"]!);
        JsonNode[] functions = Functions(trace);
        JsonNode[] Of(string name) => [.. functions.Where(f => (string)f["name"]! == Here + name).OrderBy(f => (double)f["ts"]!)];
        Assert.Equal((2, 15, 15, 15), (Of("Forward").Length, Of("Layer").Length, Of("Project").Length, Of("Multiply").Length));
        // Of their frames none is the recorder's own.
        Assert.DoesNotContain(functions, f => ((string)f["name"]!).Contains("TraceRecorder", StringComparison.Ordinal));

        // Each is in its caller's, by time and by number.
        Dictionary<long, JsonNode> byId = functions.ToDictionary(f => (long)f["args"]!["Python id"]!);
        foreach (JsonNode function in functions)
        {
            if (function["args"]!["Python parent id"] is not { } parent) continue;
            (long Start, long End) inner = Range(function), outer = Range(byId[(long)parent]);
            Assert.True(outer.Start <= inner.Start && inner.End <= outer.End, $"{function} is not within {byId[(long)parent]}");
        }
        Assert.All(Of("Multiply"), f => Assert.Equal(Here + "Project", (string)byId[(long)f["args"]!["Python parent id"]!]["name"]!));
        Assert.All(Of("Project"), f => Assert.Equal(Here + "Layer", (string)byId[(long)f["args"]!["Python parent id"]!]["name"]!));
        Assert.All(Of("Layer"), f => Assert.Equal(Here + "Forward", (string)byId[(long)f["args"]!["Python parent id"]!]["name"]!));

        // A function encloses the span it recorded and nothing else's.
        JsonNode[] layers = [.. trace["traceEvents"]!.AsArray().Where(e => ((string?)e!["name"])?.StartsWith("model.layers", StringComparison.Ordinal) == true && !((string)e["name"]!).EndsWith("proj", StringComparison.Ordinal)).Select(e => e!).OrderBy(e => (double)e["ts"]!)];
        Assert.Equal(layers.Select(Range), Of("Layer").Select(Range));
    }

    [Fact]
    public void Without_stacks_there_are_no_functions_and_nothing_is_walked()
    {
        JsonNode trace = Record(() => Forward(2), withStacks: false);
        Assert.Empty(Functions(trace));
        Assert.Null(trace["with_stack"]);
        foreach (TraceRing ring in _recorder.Rings) Assert.Empty(ring.Sites.Snapshot());
    }

    [Fact]
    public void A_thread_spends_a_bounded_share_of_its_time_on_stacks()
    {
        CallSites sites = new();
        long now = System.Diagnostics.Stopwatch.GetTimestamp();
        // The clock stands still: after the first walk there is no time for another, and every place has its number all the same.
        int[] first = [.. Enumerable.Range(0, 1000).Select(name => sites.Of(name, 7, now))], again = [.. Enumerable.Range(0, 1000).Select(name => sites.Of(name, 7, now))];
        Assert.Equal(Enumerable.Range(1, 1000), first);
        Assert.Equal(first, again);
        Assert.Equal(999, sites.Snapshot().Count(site => site.Stack is null));
        Assert.NotEqual(first[3], sites.Of(3, 8, now));
    }

    [Fact]
    public void A_layer_nobody_has_looked_at_is_taken_to_come_the_way_of_another()
    {
        TraceRing ring = new(_recorder, Thread.CurrentThread, 5, 2);
        long now = System.Diagnostics.Stopwatch.GetTimestamp();
        int known = ring.Sites.Of(_layers[0], 0, now), alike = ring.Sites.Of(_layers[11], 0, now), other = ring.Sites.Of(_step, 0, now);
        CallStacks stacks = new([ring], new HiddenFrames(), _recorder.Names.Snapshot());
        Assert.NotEmpty(stacks.Functions(5, known));
        Assert.Equal(stacks.Functions(5, known), stacks.Functions(5, alike));
        Assert.Empty(stacks.Functions(5, other));
        Assert.Equal(1, stacks.NumUnknown);
    }

    [Theory]
    [InlineData("A.B", "Run", "A.B.Run")]
    [InlineData("A.B+C", "Run", "A.B.C.Run")]
    [InlineData("A.B`1[[System.Int32, X]]", "Run", "A.B`1.Run")]
    [InlineData("A.B+<Handle>d__5", "MoveNext", "A.B.Handle")]
    [InlineData("A.B+<>c", "<Go>b__3_0", "A.B.Go.lambda")]
    [InlineData("A.B+<>c__DisplayClass0_0", "<<Main>$>g__Deep|0", "A.B.Main$.Deep")]
    [InlineData("A.B", "<Go>g__Add|3_0", "A.B.Go.Add")]
    [InlineData("A.B", ".ctor", "A.B..ctor")]
    public void Names_are_those_of_the_source(string type, string method, string expected) => Assert.Equal(expected, FunctionName.Of(type, method));
}
