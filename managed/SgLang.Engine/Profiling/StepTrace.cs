using SgLang.Profiling;

namespace SgLang.Engine;

/// <summary>Whether a launched step is recorded, and how. Travels with the step to each rank.</summary>
/// <param name="DeviceWindow">The capture that device activity is collected for; 0 for none.</param>
/// <param name="UsesCudaProfiler">The step lies in the range of an external profiler.</param>
/// <param name="IsLast">Nothing after it belongs to the window, so that its rank ends what it has begun on the device.</param>
internal readonly record struct StepTrace(bool IsRecorded, TraceStage Stage, bool IsDetailed, long DeviceWindow = 0, bool UsesCudaProfiler = false, bool IsLast = false);
