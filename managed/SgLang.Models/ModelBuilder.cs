using SgLang.Core;
using SgLang.Models.Experts;
using SgLang.Models.Layers;
using SgLang.Models.Weights;
using SgLang.Profiling;
using SgLang.Runtime;

namespace SgLang.Models;

/// <summary>
/// What a model is built from, and the owner of everything that it keeps on the device. Building in a meta context checks every name and
/// shape and counts bytes without allocating.
/// </summary>
public sealed class ModelBuilder : IDisposable
{
    private readonly IWeightSource _weights;
    private readonly List<IDisposable> _owned = [];
    private readonly List<AttentionKind> _attentionKinds = [];
    private readonly List<ModuleInfo> _modules = [];
    private readonly List<string> _modulePaths = [];
    private Rotary? _rotary;

    /// <param name="maxPositions">Longest sequence that will be run.</param>
    /// <param name="place">Whose part of the model is built; null for a single rank's.</param>
    public ModelBuilder(DeviceContext device, ModelConfig config, DType dtype, IWeightSource weights, int maxPositions, RankPlace? place = null,
        ExpertExchangeMode exchange = ExpertExchangeMode.Auto)
    {
        Share = RankShare.Of(config, place ?? RankPlace.Single);
        Device = device;
        Config = config;
        DType = dtype;
        MaxPositions = maxPositions;
        _weights = weights;
        ExchangeRule = ExpertExchangeRule.For(config, Place, dtype, device.Kind, exchange);
    }

    public DeviceContext Device { get; }
    public ModelConfig Config { get; }
    public DType DType { get; }

    /// <summary>This rank's part of the model.</summary>
    public RankShare Share { get; }
    public RankPlace Place => Share.Place;
    public int MaxPositions { get; }

    /// <summary>When sparse layers exchange tokens; null: never.</summary>
    public ExpertExchangeRule? ExchangeRule { get; }

    /// <summary>Bytes allocated so far for parameters and tables.</summary>
    public long WeightBytes { get; private set; }
    public IReadOnlyList<AttentionKind> AttentionKinds => _attentionKinds;
    public IReadOnlyList<string> ModulePaths => _modulePaths;
    public IReadOnlyList<ModuleInfo> Modules => _modules;
    public ModuleScope Root => new(this, "");

    /// <summary>The rotary embedding that all layers share.</summary>
    public Rotary Rotary => _rotary ??= new Rotary(this);

    /// <summary>Index of a kind of attention among the model's.</summary>
    public int AddAttentionKind(AttentionKind kind)
    {
        int index = _attentionKinds.IndexOf(kind);
        if (index >= 0) return index;
        _attentionKinds.Add(kind);
        return _attentionKinds.Count - 1;
    }

    /// <summary>Its index in <see cref="ModulePaths"/>.</summary>
    public int AddModule(string path) => AddModule(new ModuleInfo { Path = path });

    public int AddModule(ModuleInfo module)
    {
        _modules.Add(module);
        _modulePaths.Add(module.Path);
        return _modules.Count - 1;
    }

    /// <summary>A packed weight; parts of one group are stacked in order.</summary>
    public PackedWeight LoadWeight(long inFeatures, int numGroups, params ReadOnlySpan<WeightPart> parts)
    {
        long rows = 0;
        foreach (WeightPart part in parts)
            if (part.Group == 0) rows += part.Rows.Count;
        return LoadWeight(rows, inFeatures, numGroups, parts);
    }

    /// <summary>As above, with room for more rows than the parts have; those are zeros.</summary>
    public PackedWeight LoadWeight(long rows, long inFeatures, int numGroups, params ReadOnlySpan<WeightPart> parts)
    {
        var weight = new PackedWeight(Device, DType, rows, inFeatures, numGroups, parts.Length > 0 ? parts[0].Name : "weight");
        _owned.Add(weight);
        _weights.Load(Device, weight, parts);
        WeightBytes += weight.NumBytes;
        return weight;
    }

    /// <summary>A vector in the model's type, its parts one after another.</summary>
    public Tensor LoadVector(params ReadOnlySpan<WeightPart> parts)
    {
        long length = 0;
        foreach (WeightPart part in parts) length += part.Rows.Count;
        Tensor vector = Allocate(parts[0].Name, DType, length);
        _weights.Load(Device, vector, parts);
        return vector;
    }

    public Tensor Allocate(string name, DType dtype, params ReadOnlySpan<long> shape)
    {
        long bytes = new Tensor(0, dtype, shape).NumBytes;
        var buffer = new DeviceBuffer(Device, bytes, name, MemoryUse.Weights);
        _owned.Add(buffer);
        WeightBytes += bytes;
        return buffer.AsTensor(dtype, shape);
    }

    public void Dispose()
    {
        for (int i = _owned.Count - 1; i >= 0; i--) _owned[i].Dispose();
        _owned.Clear();
    }
}

/// <summary>A place in the module tree while a model is built. `scope / "mlp"` is the place of a child.</summary>
public readonly record struct ModuleScope(ModelBuilder Model, string Path)
{
    public ModelConfig Config => Model.Config;

    public static ModuleScope operator /(ModuleScope scope, string name) => new(scope.Model, scope.Path.Length == 0 ? name : $"{scope.Path}.{name}");

    public static ModuleScope operator /(ModuleScope scope, int index) => scope / index.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
