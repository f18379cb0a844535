namespace SgLang.Nodes;

/// <summary>When a node counts as lost. With the defaults whoever waits for it is told within 10 seconds.</summary>
/// <param name="Beat">From one sign of life to the next.</param>
/// <param name="Limit">Silence after which the other side is given up.</param>
internal sealed record NodeTiming(TimeSpan Beat, TimeSpan Limit)
{
    public static readonly NodeTiming Default = new(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(8));
}
