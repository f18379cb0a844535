using SgLang.Profiling;

namespace SgLang.Engine;

/// <summary>Whether a launched step is recorded, and how. Travels with the step to each rank.</summary>
/// <param name="DeviceWindow">The capture that device activity is collected for; 0 for none.</param>
/// <param name="UsesCudaProfiler">The step lies in the range of an external profiler.</param>
/// <param name="IsLast">Nothing after it belongs to the window, so that its rank ends what it has begun on the device.</param>
internal readonly record struct StepTrace(bool IsRecorded, TraceStage Stage, bool IsDetailed, long DeviceWindow = 0, bool UsesCudaProfiler = false, bool IsLast = false)
{
    /// <summary>For another node, which has windows of its own; 0 for a step that is not in a window.</summary>
    public int Pack() => this == default ? 0 : 1 | Bit(IsRecorded, 1) | Bit(IsDetailed, 2) | Bit(DeviceWindow != 0, 3) | Bit(UsesCudaProfiler, 4) | Bit(IsLast, 5) | (int)Stage << 8;

    /// <summary>The device window is 1 where there is one.</summary>
    public static StepTrace Unpack(int packed) => packed == 0 ? default
        : new StepTrace(Has(packed, 1), (TraceStage)(packed >> 8), Has(packed, 2), Has(packed, 3) ? 1 : 0, Has(packed, 4), Has(packed, 5));

    private static int Bit(bool value, int place) => value ? 1 << place : 0;

    private static bool Has(int packed, int place) => (packed >> place & 1) != 0;
}
