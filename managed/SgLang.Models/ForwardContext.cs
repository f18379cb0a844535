using SgLang.Models.Experts;
using SgLang.Runtime;

namespace SgLang.Models;

/// <summary>
/// What a forward pass runs on, kept from step to step, and the inputs of one step, set before each. All tensors are on the device and I32.
/// </summary>
public sealed class ForwardContext(DeviceContext device, DeviceArena arena, KvCache kvCache, AttentionPlans attention, RankCommunicators? ranks = null)
{
    public DeviceContext Device { get; } = device;

    /// <summary>Activations; the caller resets it before a step, and what a forward pass returns lives there until then.</summary>
    public DeviceArena Arena { get; } = arena;
    public KvCache KvCache { get; } = kvCache;

    /// <summary>Updated by the caller with the step's requests.</summary>
    public AttentionPlans Attention { get; } = attention;

    /// <summary>[num_tokens]: all requests' tokens one after another, in the order of the attention batch.</summary>
    public Tensor InputIds { get; set; }

    /// <summary>[num_tokens]: place of each token in its own sequence.</summary>
    public Tensor Positions { get; set; }

    /// <summary>[num_tokens]: where each token's K and V go, page * page_size + row.</summary>
    public Tensor Slots { get; set; }

    /// <summary>[num_rows]: indices of the tokens whose logits are wanted; none means all of them.</summary>
    public Tensor LogitRows { get; set; }

    /// <summary>Null for a single rank, and where nothing is run (a meta context).</summary>
    public RankCommunicators? Ranks { get; } = ranks;

    /// <summary>Null where ranks do not exchange tokens; see <see cref="IModel.ExchangeRule"/>.</summary>
    public ExpertExchange? Exchange { get; init; }

    /// <summary>Null but with attention by data parallelism, where layers behind attention compute the tokens of all ranks.</summary>
    public SpreadTokens? Spread { get; init; }

    /// <summary>The pass is recorded into a graph, or must do as that one will: what the host would have to wait for is left out.</summary>
    public bool IsReplayed { get; set; }

    /// <summary>Null where nobody counts.</summary>
    public ExpertCounter? Experts { get; init; }

    public IModuleObserver? Observer { get; set; }

    /// <summary>Sees modules begin and end while it is on.</summary>
    public ModuleTrace? Trace { get; set; }

    /// <summary>A span around a module's work, until it is disposed.</summary>
    /// <param name="module">Its index in <see cref="IModel.ModulePaths"/>.</param>
    /// <param name="input">Outlives the span.</param>
    public ModuleSpan Enter(int module, ref readonly Tensor input) => new(Trace, module, in input);

    public long NumTokens => InputIds.NumRows;

    /// <summary>y = sum over the tensor group of x, plus residual where given; see <see cref="Communicator.AllReduce"/>.</summary>
    public void AllReduce(in Tensor y, in Tensor x, in Tensor residual = default)
    {
        if (!Device.IsMeta) TensorRanks.AllReduce(y, x, residual);
    }

    /// <summary>residual += sum over the tensor group of x; y = its RMS norm; see <see cref="Communicator.AllReduceAddRmsNorm"/>.</summary>
    public void AllReduceAddRmsNorm(in Tensor y, in Tensor residual, in Tensor x, in Tensor weight, float eps)
    {
        if (!Device.IsMeta) TensorRanks.AllReduceAddRmsNorm(y, residual, x, weight, eps);
    }

    /// <summary>The tensor group's x side by side.</summary>
    public void AllGatherColumns(in Tensor y, in Tensor x)
    {
        if (!Device.IsMeta) TensorRanks.AllGatherColumns(y, x);
    }

    /// <summary>The tensor group's x one below the other.</summary>
    public void AllGatherRows(in Tensor y, in Tensor x)
    {
        if (!Device.IsMeta) TensorRanks.AllGatherRows(y, x);
    }

    /// <summary>Rows of x, grouped by destination, become rows of y, grouped by source; see <see cref="Communicator.AllToAll"/>.</summary>
    public void AllToAll(in Tensor y, in Tensor x, ReadOnlySpan<long> receiveCounts, ReadOnlySpan<long> sendCounts)
    {
        if (!Device.IsMeta) TensorRanks.AllToAll(y, x, receiveCounts, sendCounts);
    }

    /// <summary>The step's hidden states [num_tokens, hidden] from the stage before.</summary>
    public Tensor ReceiveHidden(DType dtype, long hiddenSize)
    {
        Tensor hidden = Arena.Allocate("hidden states of the stage before", dtype, NumTokens, hiddenSize);
        if (!Device.IsMeta) Stages.Receive(hidden, Stages.Rank - 1);
        return hidden;
    }

    public void SendHidden(in Tensor hidden)
    {
        if (!Device.IsMeta) Stages.Send(hidden, Stages.Rank + 1);
    }

    /// <summary>The peers' x one below the other; see <see cref="RankCommunicators.AttentionPeers"/>.</summary>
    public void AllGatherRowsOfPeers(in Tensor y, in Tensor x)
    {
        if (!Device.IsMeta) AttentionPeers.AllGatherRows(y, x);
    }

    /// <summary>A peer's x becomes every peer's.</summary>
    public void BroadcastToPeers(in Tensor x, int root)
    {
        if (!Device.IsMeta) AttentionPeers.Broadcast(x, root);
    }

    /// <summary><see cref="AllToAll"/> between peers.</summary>
    public void AllToAllOfPeers(in Tensor y, in Tensor x, ReadOnlySpan<long> receiveCounts, ReadOnlySpan<long> sendCounts)
    {
        if (!Device.IsMeta) AttentionPeers.AllToAll(y, x, receiveCounts, sendCounts);
    }

    private Communicator AttentionPeers => Ranks?.AttentionPeers ?? throw new InvalidOperationException("attention by data parallelism needs the communicator of peers");

    private Communicator TensorRanks => Ranks?.Tensor ?? throw new InvalidOperationException("a part of a model needs the communicator of its tensor group");

    private IPeerLink Stages => Ranks?.Pipeline ?? throw new InvalidOperationException("a pipeline stage needs a link to its neighbours");
}
