using SgLang.Interop;
using static SgLang.Interop.SglNative;

namespace SgLang.Runtime;

/// <summary>A recording of a context's work that can be run again. Only where <see cref="DeviceInfo.SupportsGraphs"/>.</summary>
public sealed unsafe class GraphExec : IDisposable
{
    private readonly DeviceContext _context;
    private SglGraph _handle;

    private GraphExec(DeviceContext context, SglGraph handle)
    {
        _context = context;
        _handle = handle;
        context.Retain();
    }

    /// <summary>Records what <paramref name="work"/> queues instead of running it; addresses are frozen, their contents are not.</summary>
    public static GraphExec Capture(DeviceContext context, Action work)
    {
        Check(sgl_graph_capture_begin(context.Handle));
        SglGraph graph = default;
        try
        {
            work();
        }
        catch
        {
            // The capture must end before the context can be used again; the first error is the one to report.
            _ = sgl_graph_capture_end(context.Handle, &graph);
            sgl_graph_destroy(graph);
            throw;
        }
        Check(sgl_graph_capture_end(context.Handle, &graph));
        return new GraphExec(context, graph);
    }

    public void Launch() => Check(sgl_graph_launch(_context.Handle, !_handle.IsNull ? _handle : throw new ObjectDisposedException(nameof(GraphExec))));

    public void Dispose()
    {
        if (_handle.IsNull) return;
        sgl_graph_destroy(_handle);
        _handle = default;
        _context.Release();
    }
}
