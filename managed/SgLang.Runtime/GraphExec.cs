using System.Diagnostics;
using SgLang.Interop;
using static SgLang.Interop.SglNative;

namespace SgLang.Runtime;

/// <summary>A recording of a context's work that can be run again. Only where <see cref="DeviceInfo.SupportsGraphs"/>.</summary>
public sealed unsafe class GraphExec : IDisposable
{
    private readonly DeviceContext _context;
    private SglGraph _handle;

    private readonly int _map;

    private GraphExec(DeviceContext context, SglGraph handle, int map)
    {
        _context = context;
        _handle = handle;
        _map = map;
        context.Retain();
    }

    /// <summary>Records what <paramref name="work"/> queues instead of running it; addresses are frozen, their contents are not.</summary>
    public static GraphExec Capture(DeviceContext context, Action work)
    {
        Check(sgl_graph_capture_begin(context.Handle));
        SglGraph graph = default;
        context.Trace?.BeginCapture();
        try
        {
            work();
        }
        catch
        {
            context.Trace?.AbandonCapture();
            // The capture must end before the context can be used again; the first error is the one to report.
            _ = sgl_graph_capture_end(context.Handle, &graph);
            sgl_graph_destroy(graph);
            throw;
        }
        SglStatus status = sgl_graph_capture_end(context.Handle, &graph);
        if (status != SglStatus.Ok) context.Trace?.AbandonCapture();
        Check(status);
        return new GraphExec(context, graph, context.Trace?.EndCapture(graph) ?? -1);
    }

    public void Launch()
    {
        OperatorTrace? trace = _context.Trace is { } present && (present.IsRecording || present.CountsWork) && _map >= 0 ? present : null;
        long start = trace is null ? 0 : Stopwatch.GetTimestamp();
        Check(sgl_graph_launch(_context.Handle, !_handle.IsNull ? _handle : throw new ObjectDisposedException(nameof(GraphExec))));
        trace?.Launched(start, _map);
    }

    public void Dispose()
    {
        if (_handle.IsNull) return;
        sgl_graph_destroy(_handle);
        if (_map >= 0) _context.Trace?.Forget(_map);
        _handle = default;
        _context.Release();
    }
}
