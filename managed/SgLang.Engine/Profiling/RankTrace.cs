using System.Diagnostics;
using SgLang.Models;
using SgLang.Profiling;
using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>
/// Spans of one rank's thread. Whether a step is recorded was decided when it was launched, because the rank may still be at an earlier step
/// when recording begins or ends.
/// </summary>
internal sealed class RankTrace(TraceRecorder recorder, EngineSpans spans, IModel model)
{
    private readonly ModuleTrace _modules = new(recorder, model);
    private StepTrace _step;

    public EngineSpans Spans => spans;

    /// <summary>Begins a step; 0 when it is not recorded.</summary>
    public long BeginStep(in StepTrace step, ForwardContext forward)
    {
        _step = step;
        _modules.Stage = step.Stage;
        forward.Trace = step.IsRecorded ? _modules : null;
        return Begin();
    }

    public long Begin() => _step.IsRecorded ? Stopwatch.GetTimestamp() : 0;

    public void End(long start, int name, long value = 0)
    {
        if (start != 0) recorder.End(start, name, value, stage: _step.Stage);
    }

    public void EndStep(long start, StepPlan plan)
    {
        if (start == 0) return;
        if (_step.IsDetailed) WriteGroups(start, plan);
        recorder.Write(start, 0, TraceKind.Step, _step.Stage, 0, 0, plan.StepId, plan.NumRequests, plan.NumTokens, (long)EngineProfiler.ModeOf(plan));
    }

    /// <summary>Sums over prompts and over decoding requests; in a mixed step a prompt of one new token counts as decoding (spec/profiling.md 6.2).</summary>
    private void WriteGroups(long start, StepPlan plan)
    {
        Span<long> sums = stackalloc long[10];
        for (int i = 0; i < plan.NumRequests; i++)
        {
            long q = plan.QueryStart[i + 1] - plan.QueryStart[i], k = plan.KvLength[i];
            bool decodes = plan.Kind == StepKind.Decode || (plan.Kind == StepKind.Mixed && q == 1);
            Span<long> group = decodes ? sums[5..] : sums[..5];
            group[0] += q;
            group[1] += k;
            group[2] += q * q;
            group[3] += q * k;
            group[4]++;
        }
        for (int g = 0; g < 2; g++)
        {
            Span<long> group = sums.Slice(5 * g, 5);
            recorder.Write(start, (int)group[4], TraceKind.StepGroup, _step.Stage, (byte)g, 0, group[0], group[1], group[2], group[3]);
        }
    }
}
