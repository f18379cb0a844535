using SgLang.Runtime;

namespace SgLang.Models;

/// <summary>How some layers of a model attend: one plan serves all layers of a kind.</summary>
/// <param name="Window">Keys a token sees, itself included; 0 means all.</param>
/// <param name="SoftCap">0 means off.</param>
public readonly record struct AttentionKind(int Window, float Scale, float SoftCap);

/// <summary>One <see cref="AttentionPlan"/> for each kind of attention in a model, updated together once per step.</summary>
public sealed class AttentionPlans : IDisposable
{
    private readonly AttentionPlan[] _plans;

    /// <param name="maxTokens">Most tokens of one step.</param>
    /// <param name="maxRequests">Most requests of one step.</param>
    public AttentionPlans(DeviceContext context, IModel model, int pageSize, int maxTokens, int maxRequests)
    {
        RankShare share = model.Share;
        _plans = new AttentionPlan[model.AttentionKinds.Count];
        for (int i = 0; i < _plans.Length; i++)
        {
            AttentionKind kind = model.AttentionKinds[i];
            _plans[i] = new AttentionPlan(context, new AttentionDesc(
                (int)share.Heads.Count, (int)share.KvHeads.Count, model.Config.HeadDim, pageSize, model.DType, kind.Window, kind.Scale, kind.SoftCap, maxTokens, maxRequests));
        }
    }

    public AttentionPlan this[int kind] => _plans[kind];

    /// <inheritdoc cref="AttentionPlan.Update"/>
    public void Update(ReadOnlySpan<int> queryStart, ReadOnlySpan<int> kvLength, ReadOnlySpan<int> pageStart, ReadOnlySpan<int> pages)
    {
        foreach (AttentionPlan plan in _plans) plan.Update(queryStart, kvLength, pageStart, pages);
    }

    public void Dispose()
    {
        foreach (AttentionPlan plan in _plans) plan.Dispose();
    }
}
