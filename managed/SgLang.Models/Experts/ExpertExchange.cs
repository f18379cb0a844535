using SgLang.Runtime;

namespace SgLang.Models.Experts;

/// <summary>
/// A rank's side of the exchange of tokens around a sparse layer: what it takes of the sum that attention leaves, what it sends and gets by all-to-all, and
/// how all ranks come to the same stream again. The host waits for the routing in every layer, so that none of it can be recorded into a graph.
/// Used by the rank's thread.
/// </summary>
public sealed class ExpertExchange : IDisposable
{
    private readonly DeviceContext _device;
    private readonly ExpertExchangePlan _plan;
    private readonly PinnedBuffer? _ids; // none of them in a meta context
    private readonly PinnedBuffer? _partPlaces;
    private readonly PinnedBuffer? _rows;
    private readonly long[] _ownCounts;
    private readonly long[] _allCounts;
    private long _numSent;
    private long _numReceived;

    /// <param name="maxTokens">Of the largest step.</param>
    public ExpertExchange(DeviceContext device, ExpertExchangeRule rule, int maxTokens)
    {
        _device = device;
        Rule = rule;
        _plan = new ExpertExchangePlan(rule);
        _ownCounts = new long[rule.NumRanks];
        _allCounts = new long[rule.NumRanks];
        if (device.IsMeta) return;
        long share = ExpertExchangePlan.Share(maxTokens, rule.NumRanks);
        _ids = new PinnedBuffer(device, (long)maxTokens * rule.ExpertsPerToken * sizeof(int));
        _partPlaces = new PinnedBuffer(device, share * rule.NumRanks * sizeof(int));
        _rows = new PinnedBuffer(device, (_plan.MostSent(share) + share * rule.NumRanks + maxTokens) * sizeof(int));
    }

    public ExpertExchangeRule Rule { get; }

    /// <summary>Rows that this rank has sent, to itself too, in all layers and steps; read by any thread.</summary>
    public long NumSent => Volatile.Read(ref _numSent);

    /// <summary>Rows that it has computed its experts for: ranks are in balance where these are alike.</summary>
    public long NumReceived => Volatile.Read(ref _numReceived);

    /// <summary>[share, hidden], of which this rank's tokens are written: its rows of stream + sum over ranks of part.</summary>
    /// <param name="stream">[n, hidden], the same on all ranks.</param>
    /// <param name="part">[n, hidden], of stream's type or F32.</param>
    public Tensor SumOwn(ForwardContext f, in Tensor stream, in Tensor part)
    {
        long tokens = stream.NumRows, hidden = stream[1];
        int ranks = Rule.NumRanks;
        (long first, long count) = ExpertExchangePlan.Own(tokens, Rule.Rank, ranks);
        Tensor own = f.Arena.Allocate("own tokens", stream.DType, ExpertExchangePlan.Share(tokens, ranks), hidden);
        Tensor parts = f.Arena.Allocate("parts of own tokens", part.DType, ranks * count, hidden);
        for (int rank = 0; rank < ranks; rank++)
        {
            _allCounts[rank] = ExpertExchangePlan.Own(tokens, rank, ranks).Count;
            _ownCounts[rank] = count;
        }
        f.AllToAll(parts, part, _ownCounts, _allCounts);
        Tensor places = f.Arena.Allocate("places of parts", DType.I32, count, ranks);
        if (_partPlaces is not null && count > 0)
        {
            // The same in every layer of a step, so that a copy under way reads what it should; steps wait for each other.
            Span<int> values = _partPlaces.AsSpan<int>(checked((int)(count * ranks)));
            for (int i = 0; i < values.Length; i++) values[i] = (int)(i % ranks * count + i / ranks);
            _device.Copy(places, _partPlaces.AsTensor(DType.I32, count, ranks));
        }
        Ops.GatherSum(f.Device, own.Rows(0, count), parts, places, stream.Rows(first, count));
        return own;
    }

    /// <summary>Sends this rank's tokens to the ranks of their experts.</summary>
    /// <param name="x">[own tokens, hidden]</param>
    /// <param name="weights">F32 [share, k], of which this rank's tokens are written.</param>
    /// <param name="ids">I32 [share, k] likewise.</param>
    /// <param name="layer">The path of the experts.</param>
    public Dispatched Dispatch(ForwardContext f, in Tensor x, in Tensor weights, in Tensor ids, string layer, long numTokens)
    {
        int ranks = Rule.NumRanks, k = Rule.ExpertsPerToken;
        Tensor allWeights = f.Arena.Allocate("all weights", DType.F32, ranks * weights.NumRows, k);
        Tensor allIds = f.Arena.Allocate("all ids", DType.I32, ranks * ids.NumRows, k);
        f.AllGatherRows(allWeights, weights);
        f.AllGatherRows(allIds, ids);
        // The runs of all ranks but the last are whole, so that a token's place among them is its own.
        Tensor routing = allIds.Rows(0, numTokens);
        f.Experts?.Count(layer, routing);
        // Rows to send, parts of own tokens, rows received; in a meta context as many as there can be.
        int afterSent = (int)_plan.MostSent(x.NumRows), afterParts = afterSent + (int)x.NumRows * ranks;
        (long sent, long received) = (afterSent, numTokens);
        if (_ids is not null && _rows is not null)
        {
            _device.Copy(_ids.AsTensor(DType.I32, numTokens, k), routing);
            _device.Synchronize();
            Span<int> places32 = _rows.AsSpan<int>();
            (sent, received) = _plan.Fill(_ids.AsSpan<int>((int)numTokens * k), places32[..afterSent], places32[afterParts..], places32[afterSent..afterParts]);
            Volatile.Write(ref _numSent, _numSent + sent);
            Volatile.Write(ref _numReceived, _numReceived + received);
        }
        Tensor places = f.Arena.Allocate("rows to send, combine and receive", DType.I32, afterParts + received);
        if (_rows is not null) _device.Copy(places, _rows.AsTensor(DType.I32, places.NumRows));
        Tensor packed = f.Arena.Allocate("rows to send", x.DType, sent, x[1]);
        Ops.GatherRows(f.Device, packed, x, places.Rows(0, sent));
        Tensor rows = f.Arena.Allocate("rows received", x.DType, received, x[1]);
        f.AllToAll(rows, packed, _plan.ReceiveCounts, _plan.SendCounts);
        Tensor wanted = places.Rows(afterParts, received);
        Tensor rowWeights = f.Arena.Allocate("weights of rows", DType.F32, received, k), rowIds = f.Arena.Allocate("ids of rows", DType.I32, received, k);
        Ops.GatherRows(f.Device, rowWeights, allWeights, wanted);
        Ops.GatherRows(f.Device, rowIds, allIds, wanted);
        return new Dispatched(rows, rowWeights, rowIds, packed, places.Rows(afterSent, x.NumRows * ranks).Reshape(x.NumRows, ranks));
    }

    /// <summary>own += what the experts of all ranks have made of this rank's tokens.</summary>
    /// <param name="own">[own tokens, hidden]</param>
    /// <param name="y">[rows received, hidden]: this rank's experts on what it got.</param>
    public void Combine(ForwardContext f, in Tensor own, in Tensor y, in Dispatched dispatched)
    {
        // The rows sent are read no more: their place takes those that come back.
        f.AllToAll(dispatched.Packed, y, _plan.SendCounts, _plan.ReceiveCounts);
        Ops.GatherSum(f.Device, own, dispatched.Packed, dispatched.Places, residual: own);
    }

    /// <summary>stream = the tokens of all ranks.</summary>
    /// <param name="own">[share, hidden]</param>
    public void GatherAll(ForwardContext f, in Tensor stream, in Tensor own)
    {
        long all = Rule.NumRanks * own.NumRows;
        if (all == stream.NumRows)
        {
            f.AllGatherRows(stream, own);
            return;
        }
        Tensor padded = f.Arena.Allocate("tokens of all ranks", own.DType, all, own[1]);
        f.AllGatherRows(padded, own);
        _device.Copy(stream, padded.Rows(0, stream.NumRows));
    }

    public void Dispose()
    {
        _ids?.Dispose();
        _partPlaces?.Dispose();
        _rows?.Dispose();
    }

    /// <summary>What a rank got for its experts, and what it needs to put its own tokens together again.</summary>
    /// <param name="Rows">[rows received, hidden]</param>
    /// <param name="Weights">F32 [rows received, k]</param>
    /// <param name="Ids">I32 [rows received, k], of experts of all ranks.</param>
    /// <param name="Packed">[rows sent, hidden]</param>
    /// <param name="Places">I32 [own tokens, ranks]: each rank's part of a token among the rows that come back.</param>
    public readonly record struct Dispatched(Tensor Rows, Tensor Weights, Tensor Ids, Tensor Packed, Tensor Places);
}
