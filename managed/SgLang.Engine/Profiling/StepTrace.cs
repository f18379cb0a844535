using SgLang.Profiling;

namespace SgLang.Engine;

/// <summary>Whether a launched step is recorded, and how. Travels with the step to each rank.</summary>
internal readonly record struct StepTrace(bool IsRecorded, TraceStage Stage, bool IsDetailed);
