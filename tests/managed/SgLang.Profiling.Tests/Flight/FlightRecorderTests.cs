using System.Diagnostics;

namespace SgLang.Profiling.Tests.Flight;

public sealed class FlightRecorderTests : IDisposable
{
    private readonly string _directory = TestDirectory.Create("sglang-flight");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private static List<long> Values(FlightRecords records)
    {
        List<long> values = [];
        records.ForEach((int _, ref readonly TraceRecord record) => values.Add(record.A));
        return values;
    }

    [Theory]
    [InlineData(3)]
    [InlineData(16)]
    [InlineData(17)]
    [InlineData(1003)]
    public void The_latest_spans_are_kept_in_order_and_the_oldest_overwritten(int count)
    {
        TraceRecorder recorder = new();
        int name = recorder.Names.Register("phase", "i");
        FlightRecorder flight = new(recorder, 16);
        FlightTrack track = flight.Attach();
        for (int i = 1; i <= count; i++) track.End(track.Begin(), name, i);
        FlightRecords records = flight.Copy(TimeSpan.FromHours(1));
        // The slot that the next span would take is not trusted: the thread may be writing it.
        int kept = Math.Min(count, 15);
        Assert.Equal(Enumerable.Range(count - kept + 1, kept).Select(i => (long)i), Values(records));
        Assert.Equal(count > 15, records.IsCut);
        Assert.True(records.StartTicks <= records.EndTicks);
    }

    [Fact]
    public void A_copy_goes_back_no_further_than_asked()
    {
        TraceRecorder recorder = new();
        FlightRecorder flight = new(recorder, 1 << 10);
        FlightTrack track = flight.Attach();
        long now = Stopwatch.GetTimestamp(), second = Stopwatch.Frequency;
        for (int i = 100; i > 0; i--) track.Keep(now - (i + 1) * second, now - i * second, 0, TraceKind.Step, TraceStage.Any, 101 - i, 1, 1, 0);
        FlightRecords records = flight.Copy(TimeSpan.FromSeconds(10.5));
        Assert.Equal((91, 100, 10), (records.FirstStep, records.LastStep, records.NumSteps));
        Assert.False(records.IsCut);
        Assert.InRange(records.Duration.TotalSeconds, 10.9, 60);
    }

    [Fact]
    public void A_copy_taken_while_the_thread_writes_holds_only_whole_spans_in_order()
    {
        TraceRecorder recorder = new();
        FlightRecorder flight = new(recorder, 64);
        bool isDone = false;
        Thread writer = new(() =>
        {
            FlightTrack track = flight.Attach();
            for (long i = 1; !Volatile.Read(ref isDone); i++) track.Keep(i, long.MaxValue, 0, TraceKind.Span, TraceStage.Any, i, -i, 2 * i, -2 * i);
        });
        writer.Start();
        try
        {
            int seen = 0;
            long deadline = Environment.TickCount64 + 60_000;
            while (seen < 20_000)
            {
                Assert.True(Environment.TickCount64 < deadline, $"{seen} spans seen");
                long last = 0;
                flight.Copy(TimeSpan.FromHours(1)).ForEach((int _, ref readonly TraceRecord r) =>
                {
                    Assert.Equal((r.Start, -r.Start, 2 * r.Start, -2 * r.Start), (r.A, r.B, r.C, r.D));
                    Assert.True(last == 0 || r.A == last + 1, $"{r.A} after {last}");
                    last = r.A;
                    seen++;
                });
            }
        }
        finally
        {
            Volatile.Write(ref isDone, true);
            writer.Join();
        }
    }

    [Fact]
    public void Keeping_spans_allocates_nothing_and_recorder_and_window_both_get_them()
    {
        TraceRecorder recorder = new();
        int name = recorder.Names.Register("phase", "i");
        FlightRecorder flight = new(recorder, 1 << 12);
        FlightTrack track = flight.Attach();
        track.End(track.Begin(), name, 0);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 1; i < 100; i++) track.End(track.Begin(), name, i);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        long recorded = 0;
        TraceCapture capture = new(recorder, _directory, done => recorded = done.NumRecords);
        for (int i = 100; i < 107; i++) track.End(track.Begin(), name, i);
        capture.End();
        capture.Join();
        Assert.Equal(7, recorded);
        Assert.Equal(107, flight.Copy(TimeSpan.FromHours(1)).NumRecords);
    }

    [Fact]
    public void Without_memory_nothing_is_kept_and_windows_still_record()
    {
        TraceRecorder recorder = new();
        int name = recorder.Names.Register("phase", "i");
        FlightRecorder flight = new(recorder, 0);
        FlightTrack track = flight.Attach();
        Assert.False(track.IsKept);
        Assert.Equal(0, track.Begin());
        track.Keep(1, 2, name, TraceKind.Step, TraceStage.Any, 1, 1, 1, 1);
        long recorded = 0;
        TraceCapture capture = new(recorder, _directory, done => recorded = done.NumRecords);
        track.End(track.Begin(), name, 1);
        capture.End();
        capture.Join();
        Assert.Equal((1, 0), (recorded, flight.Copy(TimeSpan.FromHours(1)).NumRecords));
    }
}
