using SgLang.Models.Layers;
using SgLang.Runtime;

namespace SgLang.Models;

/// <summary>One block of a decoder; adds its output to the residual stream x [num_tokens, hidden] in place.</summary>
public interface IDecoderLayer
{
    void Forward(ForwardContext f, in Tensor x);
}

/// <summary>
/// What all families share: embedding, a stack of layers over one residual stream, a last norm and the head. A family supplies its layer.
/// </summary>
public abstract class CausalLm : IModel
{
    private readonly ModelBuilder _model;
    private readonly Embedding _embedding;
    private readonly IDecoderLayer[] _layers;
    private readonly RmsNorm _norm;
    private readonly LmHead _head;

    /// <param name="createLayer">Makes the layer at a place, given its index.</param>
    protected CausalLm(ModelBuilder model, Func<ModuleScope, int, IDecoderLayer> createLayer)
    {
        _model = model;
        ModuleScope at = model.Root / "model";
        _embedding = new Embedding(at / "embed_tokens");
        _layers = new IDecoderLayer[model.Config.NumLayers];
        for (int i = 0; i < _layers.Length; i++) _layers[i] = createLayer(at / "layers" / i, i);
        _norm = new RmsNorm(at / "norm", model.Config.HiddenSize);
        _head = new LmHead(model.Root / "lm_head", model.Config.TieWordEmbeddings ? _embedding : null);
    }

    public ModelConfig Config => _model.Config;
    public DType DType => _model.DType;
    public long WeightBytes => _model.WeightBytes;
    public long KvBytesPerToken => KvCache.BytesPerToken(Config, DType);
    public int MaxPositions => _model.MaxPositions;
    public IReadOnlyList<AttentionKind> AttentionKinds => _model.AttentionKinds;
    public IReadOnlyList<string> ModulePaths => _model.ModulePaths;

    public Tensor Forward(ForwardContext f) => Logits(f, ForwardHidden(f), f.LogitRows);

    public Tensor ForwardHidden(ForwardContext f)
    {
        Tensor x = _embedding.Forward(f, f.InputIds);
        foreach (IDecoderLayer layer in _layers)
        {
            using DeviceArena.Scope temporaries = f.Arena.EnterScope();
            layer.Forward(f, x);
        }
        return x;
    }

    public Tensor Logits(ForwardContext f, in Tensor hidden, in Tensor rows)
    {
        Tensor wanted = hidden;
        if (!rows.IsNone)
        {
            wanted = f.Arena.Allocate("wanted rows", hidden.DType, rows.NumRows, hidden[1]);
            Ops.GatherRows(f.Device, wanted, hidden, rows);
        }
        return _head.Forward(f, _norm.Forward(f, wanted));
    }

    public long ActivationBytes(int numTokens, int numLogitRows)
    {
        using DeviceContext meta = DeviceContext.CreateMeta();
        using DeviceArena arena = DeviceArena.CreateCounting("activations");
        using var kvCache = new KvCache(meta, this, numPages: 1, pageSize: 1);
        using var attention = new AttentionPlans(meta, this, pageSize: 1, numTokens, maxRequests: 1);
        var tokens = new Tensor(0, DType.I32, numTokens);
        _ = Forward(new ForwardContext(meta, arena, kvCache, attention)
        {
            InputIds = tokens,
            Positions = tokens,
            Slots = tokens,
            LogitRows = new Tensor(0, DType.I32, numLogitRows),
        });
        return arena.PeakBytes;
    }

    public void Dispose()
    {
        _model.Dispose();
        GC.SuppressFinalize(this);
    }
}
