using Microsoft.Extensions.Logging;

namespace SgLang.Engine.Tests;

/// <summary>
/// Notes the engine thread's allocated bytes whenever it asks whether a log line is wanted: in steady decode that is once every
/// decode-log-interval steps.
/// </summary>
internal sealed class AllocationProbe : ILogger
{
    public List<long> Samples { get; } = new(1024);

    public bool IsEnabled(LogLevel logLevel)
    {
        if (Thread.CurrentThread.Name == "sgl-engine") Samples.Add(GC.GetAllocatedBytesForCurrentThread());
        return false;
    }

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
    }
}
