using SgLang.Core;
using SgLang.Models.Experts;
using SgLang.Models.Layers;
using SgLang.Runtime;

namespace SgLang.Models;

/// <summary>One block of a decoder; adds its output to the residual stream x [num_tokens, hidden] in place.</summary>
public interface IDecoderLayer
{
    void Forward(ForwardContext f, in Tensor x);
}

/// <summary>
/// What all families share: embedding, a stack of layers over one residual stream, a last norm and the head. A family supplies its layer. A
/// pipeline stage has some of the layers, the first one the embedding, the last one norm and head.
/// </summary>
public abstract class CausalLm : IModel
{
    private readonly ModelBuilder _model;
    private readonly Embedding? _embedding;
    private readonly IDecoderLayer[] _layers;
    private readonly RmsNorm? _norm;
    private readonly LmHead? _head;
    private readonly int _module;
    private readonly int[] _layerModules;

    /// <param name="createLayer">Makes the layer at a place, given its index.</param>
    protected CausalLm(ModelBuilder model, Func<ModuleScope, int, IDecoderLayer> createLayer)
    {
        _model = model;
        ModuleScope at = model.Root / "model";
        _module = model.AddModule(at.Path);
        RankPlace rank = model.Place;
        bool isTied = model.Config.TieWordEmbeddings;
        if (rank.IsFirstStage || (rank.IsLastStage && isTied)) _embedding = new Embedding(at / "embed_tokens");
        Shard layers = model.Share.Layers;
        _layers = new IDecoderLayer[layers.Count];
        _layerModules = new int[layers.Count];
        for (int i = 0; i < _layers.Length; i++)
        {
            int layer = (int)layers.First + i;
            ModuleScope place = at / "layers" / layer;
            _layerModules[i] = model.AddModule(place.Path);
            _layers[i] = createLayer(place, layer);
        }
        if (!rank.IsLastStage) return;
        _norm = new RmsNorm(at / "norm", model.Config.HiddenSize);
        _head = new LmHead(model.Root / "lm_head", isTied ? _embedding : null);
    }

    public ModelConfig Config => _model.Config;
    public RankShare Share => _model.Share;
    public DType DType => _model.DType;
    public long WeightBytes => _model.WeightBytes;
    public long KvBytesPerToken => KvCache.BytesPerToken(Share, Config.HeadDim, DType);
    public int MaxPositions => _model.MaxPositions;
    public ExpertExchangeRule? ExchangeRule => _model.ExchangeRule;
    public IReadOnlyList<AttentionKind> AttentionKinds => _model.AttentionKinds;
    public IReadOnlyList<string> ModulePaths => _model.ModulePaths;
    public IReadOnlyList<ModuleInfo> Modules => _model.Modules;

    public Tensor Forward(ForwardContext f) => Logits(f, ForwardHidden(f), f.LogitRows);

    public Tensor ForwardHidden(ForwardContext f)
    {
        Tensor ids = f.InputIds;
        using ModuleSpan whole = f.Enter(_module, in ids);
        Tensor x = Share.Place.IsFirstStage ? _embedding!.Forward(f, ids) : f.ReceiveHidden(DType, Config.HiddenSize);
        for (int i = 0; i < _layers.Length; i++)
        {
            using ModuleSpan span = f.Enter(_layerModules[i], in x);
            using DeviceArena.Scope temporaries = f.Arena.EnterScope();
            _layers[i].Forward(f, x);
        }
        if (!Share.Place.IsLastStage) f.SendHidden(x);
        return x;
    }

    public Tensor Logits(ForwardContext f, in Tensor hidden, in Tensor rows) => WholeLogits(f, OwnLogits(f, hidden, rows));

    public Tensor OwnLogits(ForwardContext f, in Tensor hidden, in Tensor rows) => Head.ForwardOwn(f, LastHidden(f, hidden, rows));

    public Tensor WholeLogits(ForwardContext f, in Tensor own) => Head.Whole(f, own);

    public void DrawGreedy(ForwardContext f, in Tensor ids, in Tensor own) => Head.Argmax(f, ids, own);

    public Tensor LastHidden(ForwardContext f, in Tensor hidden, in Tensor rows)
    {
        if (_norm is null) throw new InvalidOperationException("only the last pipeline stage has the last norm");
        Tensor wanted = hidden;
        if (!rows.IsNone)
        {
            wanted = f.Arena.Allocate("wanted rows", hidden.DType, rows.NumRows, hidden[1]);
            Ops.GatherRows(f.Device, wanted, hidden, rows);
        }
        return _norm.Forward(f, wanted);
    }

    public long ActivationBytes(int numTokens, int numLogitRows)
    {
        using DeviceContext meta = DeviceContext.CreateMeta();
        using DeviceArena arena = DeviceArena.CreateCounting("activations");
        using var kvCache = new KvCache(meta, this, numPages: 1, pageSize: 1);
        using var attention = new AttentionPlans(meta, this, pageSize: 1, numTokens, maxRequests: 1);
        var tokens = new Tensor(0, DType.I32, numTokens);
        using ExpertExchange? exchange = ExchangeRule is null ? null : new ExpertExchange(meta, ExchangeRule, numTokens);
        using SpreadTokens? spread = Share.Place.AttentionDpSize == 1 ? null : new SpreadTokens(meta, Share.Place, numTokens);
        var context = new ForwardContext(meta, arena, kvCache, attention)
        {
            Exchange = exchange,
            Spread = spread,
            InputIds = tokens,
            Positions = tokens,
            Slots = tokens,
            LogitRows = new Tensor(0, DType.I32, numLogitRows),
        };
        Tensor hidden = ForwardHidden(context);
        if (_head is null) return arena.PeakBytes;
        Tensor own = OwnLogits(context, hidden, context.LogitRows);
        using (arena.EnterScope()) _ = WholeLogits(context, own);
        DrawGreedy(context, new Tensor(0, DType.I32, numLogitRows), own);
        return arena.PeakBytes;
    }

    private LmHead Head => _head ?? throw new InvalidOperationException("only the last pipeline stage has logits");

    public void Dispose()
    {
        _model.Dispose();
        GC.SuppressFinalize(this);
    }
}
