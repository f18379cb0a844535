using System.Diagnostics;
using System.Text;
using SgLang.Interop;
using static SgLang.Interop.SglNative;

namespace SgLang.Profiling;

/// <summary>
/// The process's connection to CUPTI. Ranks turn it on and off at their own steps' borders; it records while one of them has it on. Leaving a window
/// is a note of the time: CUPTI hands over its records in <see cref="ForceOff"/>, on a thread that no step waits for. Thread safe. CUPTI is attached
/// by the first <see cref="TurnOn"/> and stays, and the driver launches graphs node by node from then on.
/// </summary>
public sealed unsafe class DeviceTrace : IDisposable
{
    // Held for moments, also within the other.
    private readonly Lock _gate = new();

    // Held while CUPTI begins and ends, which may take as long as some steps.
    private readonly Lock _control = new();
    private readonly SglDeviceTrace _handle;
    private readonly Dictionary<int, string> _names = [];
    private bool _isOn;
    private long _window;
    private long _lastOver;
    private long _endTicks = long.MaxValue;
    private (long Window, string Reason) _failure;
    private int _users;

    private DeviceTrace(SglDeviceTrace handle)
    {
        _handle = handle;
        int version, ownClock;
        Check(sgl_device_trace_get_version(handle, &version, &ownClock));
        Version = version;
    }

    /// <summary>Of CUPTI's interface.</summary>
    public int Version { get; }

    /// <summary>Null where there is nothing to connect to, with the reason for the user.</summary>
    /// <param name="library">Of CUPTI; null to look for it.</param>
    /// <param name="bufferBytes">Of one buffer; 0 is the library's choice.</param>
    /// <param name="maxBytes">Of all buffers; what finds none is dropped and counted. 0 is the library's choice.</param>
    public static DeviceTrace? TryOpen(string? library, long bufferBytes, long maxBytes, out string reason)
    {
        byte[]? path = library is null ? null : [.. Encoding.UTF8.GetBytes(library), 0];
        fixed (byte* pathData = path)
        {
            var options = new SglDeviceTraceOptions { Library = pathData, BufferBytes = bufferBytes, MaxBytes = maxBytes };
            SglDeviceTrace handle;
            if (sgl_device_trace_open(&handle, &options) != SglStatus.Ok)
            {
                reason = Text(sgl_last_error());
                return null;
            }
            reason = "";
            return new DeviceTrace(handle);
        }
    }

    /// <summary>
    /// Attaches CUPTI, records nothing. For processes of several ranks, of which one cannot attach it while others' graphs run.
    /// </summary>
    /// <exception cref="SglException">CUPTI refuses.</exception>
    public void Attach()
    {
        const long Window = -1;
        TurnOn(Window);
        if (FailureOf(Window) is { } reason) throw new SglException(SglStatus.Unsupported, reason);
        ForceOff(Window);
    }

    /// <summary>
    /// One user more of a window; an earlier window ends. A window that is over begins no more. The caller's device must be idle. Where CUPTI
    /// refuses, the window goes on without it: <see cref="FailureOf"/>.
    /// </summary>
    public void TurnOn(long window)
    {
        lock (_control)
        {
            lock (_gate)
            {
                if (window > 0 && window <= _lastOver) return;
            }
            if (_isOn && _window != window) Stop();
            if (!_isOn && sgl_device_trace_start(_handle) != SglStatus.Ok)
            {
                string reason = Text(sgl_last_error());
                lock (_gate) _failure = (window, reason);
                return;
            }
            _isOn = true;
            lock (_gate)
            {
                if (_window != window) _users = 0;
                _window = window;
                _users++;
                _endTicks = long.MaxValue;
            }
        }
    }

    /// <summary>
    /// One user less. Its device must have finished what is to be recorded. What comes after the last one is none of the window's, though it is
    /// still recorded until <see cref="ForceOff"/>.
    /// </summary>
    public void TurnOff(long window)
    {
        lock (_gate)
        {
            if (_window == window && _users > 0 && --_users == 0) _endTicks = Stopwatch.GetTimestamp();
        }
    }

    /// <summary>Why a window has no device activity; null where it has.</summary>
    public string? FailureOf(long window)
    {
        lock (_gate) return _failure.Window == window ? _failure.Reason : null;
    }

    /// <summary>Whether anybody has the window on.</summary>
    public bool IsUsed(long window)
    {
        lock (_gate) return _window == window && _users > 0;
    }

    /// <summary>The window is over, whoever has it on, and all its records are readable.</summary>
    /// <returns>When its last user left it; now, where one has not.</returns>
    public long ForceOff(long window)
    {
        lock (_control)
        {
            lock (_gate)
            {
                _lastOver = Math.Max(_lastOver, window);
                if (_window != window) return Stopwatch.GetTimestamp();
                _users = 0;
                _endTicks = Math.Min(_endTicks, Stopwatch.GetTimestamp());
            }
            if (_isOn) Stop();
            return _endTicks;
        }
    }

    private void Stop()
    {
        _isOn = false;
        Check(sgl_device_trace_stop(_handle));
    }

    /// <summary>Makes complete buffers readable.</summary>
    public void Flush() => Check(sgl_device_trace_flush(_handle));

    /// <summary>Takes the oldest records; 0 when there are none. One reader at a time.</summary>
    internal int Read(Span<SglActivity> records)
    {
        fixed (SglActivity* data = records)
        {
            int count;
            Check(sgl_device_trace_read(_handle, data, records.Length, &count));
            return count;
        }
    }

    internal string NameOf(int id)
    {
        lock (_gate)
        {
            if (!_names.TryGetValue(id, out string? name)) _names.Add(id, name = Text(sgl_device_trace_name(_handle, id)));
            return name;
        }
    }

    /// <summary>Records of the last window that found no buffer, or that this library does not understand.</summary>
    internal (long Dropped, long Unknown) Loss()
    {
        SglDeviceTraceLoss loss;
        Check(sgl_device_trace_get_loss(_handle, &loss));
        return (loss.DroppedRecords, loss.UnknownRecords);
    }

    public void Dispose() => sgl_device_trace_close(_handle);
}
