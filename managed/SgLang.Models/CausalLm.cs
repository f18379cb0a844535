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
    private readonly ModelBuilder model;
    private readonly Embedding embedding;
    private readonly IDecoderLayer[] layers;
    private readonly RmsNorm norm;
    private readonly LmHead head;

    /// <param name="createLayer">Makes the layer at a place, given its index.</param>
    protected CausalLm(ModelBuilder model, Func<ModuleScope, int, IDecoderLayer> createLayer)
    {
        this.model = model;
        ModuleScope at = model.Root / "model";
        embedding = new Embedding(at / "embed_tokens");
        layers = new IDecoderLayer[model.Config.NumLayers];
        for (int i = 0; i < layers.Length; i++) layers[i] = createLayer(at / "layers" / i, i);
        norm = new RmsNorm(at / "norm", model.Config.HiddenSize);
        head = new LmHead(model.Root / "lm_head", model.Config.TieWordEmbeddings ? embedding : null);
    }

    public ModelConfig Config => model.Config;
    public DType DType => model.DType;
    public long WeightBytes => model.WeightBytes;
    public long KvBytesPerToken => KvCache.BytesPerToken(Config, DType);
    public int MaxPositions => model.MaxPositions;
    public IReadOnlyList<AttentionKind> AttentionKinds => model.AttentionKinds;
    public IReadOnlyList<string> ModulePaths => model.ModulePaths;

    public Tensor Forward(ForwardContext f) => Logits(f, ForwardHidden(f), f.LogitRows);

    public Tensor ForwardHidden(ForwardContext f)
    {
        Tensor x = embedding.Forward(f, f.InputIds);
        foreach (IDecoderLayer layer in layers)
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
        return head.Forward(f, norm.Forward(f, wanted));
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
        model.Dispose();
        GC.SuppressFinalize(this);
    }
}
