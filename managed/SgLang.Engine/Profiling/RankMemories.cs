using SgLang.Core;
using SgLang.Profiling;
using SgLang.Runtime;

namespace SgLang.Engine;

/// <summary>The memory of every rank over a window. Not thread safe.</summary>
internal sealed class RankMemories
{
    private readonly Dictionary<RankPlace, (DeviceContext Context, long KvBytesPerToken)> _ranks = [];

    public void Add(RankPlace place, DeviceContext context, long kvBytesPerToken) => _ranks[place] = (context, kvBytesPerToken);

    public void Begin(int maxChanges)
    {
        foreach ((DeviceContext context, _) in _ranks.Values) context.Memory.BeginHistory(maxChanges);
    }

    public IReadOnlyDictionary<RankPlace, TraceMemory> End() => _ranks.ToDictionary(rank => rank.Key, rank =>
        new TraceMemory(rank.Value.Context.Memory.EndHistory(), rank.Value.KvBytesPerToken, rank.Value.Context.Kind == DeviceKind.Cuda ? rank.Value.Context.Ordinal : null));
}
