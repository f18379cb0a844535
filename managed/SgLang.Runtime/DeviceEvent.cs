using SgLang.Interop;
using static SgLang.Interop.SglNative;

namespace SgLang.Runtime;

/// <summary>A point in a context's stream.</summary>
public sealed unsafe class DeviceEvent : IDisposable
{
    private readonly DeviceContext _context;
    private SglEvent _handle;

    public DeviceEvent(DeviceContext context)
    {
        _context = context;
        SglEvent created;
        Check(sgl_event_create(context.Handle, &created));
        _handle = created;
        context.Retain();
    }

    /// <summary>True when the recorded work has finished. Never waits.</summary>
    public bool IsComplete
    {
        get
        {
            int complete;
            Check(sgl_event_query(Handle, &complete));
            return complete != 0;
        }
    }

    private SglEvent Handle => !_handle.IsNull ? _handle : throw new ObjectDisposedException(nameof(DeviceEvent));

    public void Record() => Check(sgl_event_record(_context.Handle, Handle));

    /// <summary>Waits on the host until the event has happened; returns at once for one never recorded.</summary>
    public void Synchronize() => Check(sgl_event_synchronize(Handle));

    /// <summary>Microseconds from <paramref name="start"/> to this event; both must have completed.</summary>
    public double MicrosecondsSince(DeviceEvent start)
    {
        double microseconds;
        Check(sgl_event_elapsed(&microseconds, start.Handle, Handle));
        return microseconds;
    }

    public void Dispose()
    {
        if (_handle.IsNull) return;
        sgl_event_destroy(_handle);
        _handle = default;
        _context.Release();
    }
}
