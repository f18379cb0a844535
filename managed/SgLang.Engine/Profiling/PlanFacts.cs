using SgLang.Profiling;
using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>A plan as a window's conditions look at it; set anew for each step.</summary>
internal sealed class PlanFacts : IStepFacts
{
    public StepPlan Plan { get; set; } = null!;

    public int NumRequests => Plan.NumRequests;

    public int LongestPrefill
    {
        get
        {
            int longest = 0;
            for (int i = 0; i < Plan.NumRequests; i++) longest = Math.Max(longest, Plan.QueryStart[i + 1] - Plan.QueryStart[i]);
            return longest;
        }
    }

    public bool Contains(string requestId)
    {
        for (int i = 0; i < Plan.NumRequests; i++)
            if (Plan.Requests[i].Rid == requestId) return true;
        return false;
    }
}
