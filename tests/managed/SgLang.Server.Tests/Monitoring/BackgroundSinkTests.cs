using Serilog;
using Serilog.Core;
using Serilog.Events;
using SgLang.Server.Monitoring;

namespace SgLang.Server.Tests.Monitoring;

public sealed class BackgroundSinkTests
{
    private static readonly TimeSpan s_deadline = TimeSpan.FromSeconds(60);

    /// <summary>Keeps lines once it is let go.</summary>
    private sealed class Target : ILogEventSink, IDisposable
    {
        public List<string> Lines { get; } = [];
        public ManualResetEventSlim Opened { get; } = new();
        public bool IsDisposed { get; private set; }

        public void Emit(LogEvent logEvent)
        {
            Opened.Wait();
            Lines.Add(logEvent.RenderMessage());
        }

        public void Dispose() => IsDisposed = true;
    }

    private static (Logger Log, BackgroundSink Sink) Create(Target target, TimeSpan patience)
    {
        var sink = new BackgroundSink(new LoggerConfiguration().WriteTo.Sink(target).CreateLogger(), patience);
        return (new LoggerConfiguration().WriteTo.Sink(sink).CreateLogger(), sink);
    }

    [Fact]
    public void All_lines_are_written_in_their_order_before_it_is_disposed()
    {
        var target = new Target();
        (Logger log, BackgroundSink sink) = Create(target, s_deadline);
        for (int i = 0; i < 5000; i++) log.Information("line {Number}", i);
        target.Opened.Set();
        sink.Dispose();
        Assert.Equal(Enumerable.Range(0, 5000).Select(i => $"line {i}"), target.Lines);
        Assert.True(target.IsDisposed);
    }

    [Fact]
    public void A_target_that_takes_nothing_costs_lines_and_a_later_one_says_how_many()
    {
        var target = new Target();
        (Logger log, BackgroundSink sink) = Create(target, s_deadline);
        string text = new('x', 1 << 20);
        for (int i = 0; i < 20; i++) log.Information("{Text:l}", text);
        // 16 Mi characters: 15 such lines and what they take beside their text.
        target.Opened.Set();
        sink.Dispose();
        Assert.Equal(15, target.Lines.Count(line => line == text));
        Assert.Equal(["5 lines of the log were dropped: what it is written to did not take them in time."], target.Lines.Where(line => line != text));
    }

    [Fact]
    public void Short_lines_count_too()
    {
        var target = new Target();
        (Logger log, BackgroundSink sink) = Create(target, s_deadline);
        for (int i = 0; i < 100_000; i++) log.Information("line");
        target.Opened.Set();
        sink.Dispose();
        int written = target.Lines.Count(line => line == "line");
        Assert.InRange(written, 1, (int)(BackgroundSink.MostHeld / 256));
        Assert.Contains($"{100_000 - written} lines of the log were dropped: what it is written to did not take them in time.", target.Lines);
    }

    [Fact]
    public void Its_end_does_not_wait_for_ever()
    {
        var target = new Target();
        (Logger log, BackgroundSink sink) = Create(target, TimeSpan.FromMilliseconds(50));
        log.Information("line");
        sink.Dispose();
        Assert.Empty(target.Lines);
        log.Information("late");
        target.Opened.Set();
    }
}
