namespace SgLang.Profiling.Tests.Recording;

public class TraceRecorderTests
{
    private static List<TraceRecord> Capture(TraceRecorder recorder, Action work, out TraceCapture capture, long maxSpool = TraceCapture.DefaultSpoolBytes)
    {
        List<TraceRecord> records = [];
        capture = new TraceCapture(recorder, Path.GetTempPath(), done => done.ForEach((int _, ref readonly TraceRecord r) => records.Add(r)), maxSpool);
        work();
        capture.End();
        capture.Join();
        return records;
    }

    [Fact]
    public void Nothing_is_recorded_outside_a_capture()
    {
        TraceRecorder recorder = new();
        int name = recorder.Names.Register("n");
        Assert.Equal(0, recorder.Begin());
        recorder.End(recorder.Begin(), name);
        Assert.Empty(Capture(recorder, static () => { }, out _));
    }

    [Fact]
    public void Records_of_several_threads_arrive_whole_and_in_order()
    {
        TraceRecorder recorder = new(1 << 15);
        int name = recorder.Names.Register("n", "thread", "i");
        const int Count = 10_001;
        List<TraceRecord> records = Capture(recorder, () =>
        {
            Thread[] threads = [.. Enumerable.Range(0, 3).Select(t => new Thread(() =>
            {
                for (int i = 0; i < Count; i++) recorder.End(recorder.Begin(), name, t, i);
            }))];
            foreach (Thread thread in threads) thread.Start();
            foreach (Thread thread in threads) thread.Join();
        }, out TraceCapture capture);
        Assert.Equal(0, capture.DroppedByRings);
        Assert.Equal(3 * Count, records.Count);
        for (int t = 0; t < 3; t++) Assert.Equal(Enumerable.Range(0, Count).Select(i => (long)i), records.Where(r => r.A == t).Select(r => r.B));
        Assert.All(records, r => Assert.True(r.End >= r.Start));
    }

    [Fact]
    public void A_full_ring_drops_records_and_counts_each()
    {
        TraceRecorder recorder = new(ringCapacity: 16);
        int name = recorder.Names.Register("n");
        const int Count = 200_000;
        List<TraceRecord> records = Capture(recorder, () =>
        {
            for (int i = 0; i < Count; i++) recorder.End(recorder.Begin(), name, i);
        }, out TraceCapture capture);
        Assert.True(capture.DroppedByRings > 0);
        Assert.Equal(Count, records.Count + capture.DroppedByRings);
        Assert.Equal(records.OrderBy(r => r.A), records);
        // The loss belongs to its window alone.
        Assert.Single(Capture(recorder, () => recorder.End(recorder.Begin(), name), out TraceCapture next));
        Assert.Equal(0, next.DroppedByRings);
    }

    [Fact]
    public void A_full_spool_drops_records_and_counts_each()
    {
        TraceRecorder recorder = new(1 << 15);
        int name = recorder.Names.Register("n");
        List<TraceRecord> records = Capture(recorder, () =>
        {
            for (int i = 0; i < 20_000; i++) recorder.End(recorder.Begin(), name, i);
        }, out TraceCapture capture, maxSpool: 50_000);
        Assert.True(capture.DroppedBySpool > 0);
        Assert.Equal(20_000, records.Count + capture.DroppedBySpool + capture.DroppedByRings);
    }

    [Fact]
    public void A_span_allocates_nothing_on_or_off()
    {
        TraceRecorder recorder = new(1 << 15);
        int name = recorder.Names.Register("n");
        long off = 0, on = 0;
        void Spans()
        {
            for (int i = 0; i < 1000; i++) recorder.End(recorder.Begin(), name, i);
        }
        Spans();
        off = Allocation.Of(Spans);
        Capture(recorder, () =>
        {
            Spans();
            on = Allocation.Of(Spans);
        }, out _);
        Assert.Equal((0L, 0L), (off, on));
    }

    [Fact]
    public void A_request_that_ends_after_the_window_but_before_its_export_is_not_lost()
    {
        TraceRecorder recorder = new();
        int lane = recorder.Lanes.Open(recorder.Names.Register("POST /generate", "status"));
        List<TraceRecord> records = [];
        TraceCapture capture = new(recorder, Path.GetTempPath(), done => done.ForEach((int _, ref readonly TraceRecord r) => records.Add(r)));
        capture.End();
        recorder.EndRequest(lane, 200);
        capture.Join();
        Assert.Equal((lane + 1, 1), (Assert.Single(records).Lane, records[0].Count));
    }

    [Fact]
    public void An_unfinished_request_is_recorded_as_cut_off()
    {
        TraceRecorder recorder = new();
        int name = recorder.Names.Register("POST /generate", "status");
        int before = recorder.Lanes.Open(name);
        List<TraceRecord> records = Capture(recorder, () =>
        {
            recorder.EndRequest(recorder.Lanes.Open(name), 200);
        }, out _);
        Assert.Equal([(2, 0, 200L), (1, 1, 0L)], records.Select(r => (r.Lane, (int)r.Count, r.A)));
        recorder.EndRequest(before, 200);
        Assert.Equal(0, recorder.Lanes.Open(name));
    }
}
