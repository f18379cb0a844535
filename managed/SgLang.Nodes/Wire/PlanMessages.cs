using SgLang.Engine;

namespace SgLang.Nodes.Wire;

internal static class PlanMessages
{
    public static MemoryShare Of(MemoryPlan plan) => new()
    {
        MemFractionStatic = plan.MemFractionStatic, NumPages = plan.NumPages, MaxTotalTokens = plan.MaxTotalTokens, MaxRunningRequests = plan.MaxRunningRequests,
    };

    public static MemoryPlan PlanOf(MemoryShare share) => new()
    {
        MemFractionStatic = share.MemFractionStatic, NumPages = share.NumPages, MaxTotalTokens = share.MaxTotalTokens, MaxRunningRequests = share.MaxRunningRequests,
    };

    /// <summary>Every node keeps as many pages and rows.</summary>
    public static MemoryPlan Smallest(MemoryPlan one, MemoryPlan other)
    {
        MemoryPlan smaller = one.NumPages <= other.NumPages ? one : other;
        return new MemoryPlan
        {
            MemFractionStatic = smaller.MemFractionStatic,
            NumPages = smaller.NumPages,
            MaxTotalTokens = smaller.MaxTotalTokens,
            MaxRunningRequests = Math.Min(one.MaxRunningRequests, other.MaxRunningRequests),
        };
    }
}
