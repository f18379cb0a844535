using SgLang.Core;
using SgLang.Runtime;

namespace SgLang.Models;

/// <summary>
/// A step's tokens where attention is data parallel: each attention group has its own, and what follows attention (MLPs, experts) is cut over all ranks
/// and computes everybody's. <see cref="Gather"/> brings the rows together, <see cref="AddOwn"/> sums the ranks' parts of a group's own rows. Used by the
/// rank's thread.
/// </summary>
public sealed class SpreadTokens : IDisposable
{
    /// <summary>Rows of padding that cost less than the messages they save.</summary>
    private const long FreePadding = 32;

    private readonly DeviceContext _device;
    private readonly RankPlace _place;
    private readonly PinnedBuffer? _places; // none in a meta context
    private readonly long[] _counts;
    private readonly long[] _slots;
    private readonly long[] _ownSlots;
    private readonly bool[] _isIdle;

    /// <param name="maxTokens">Of the largest step of any group.</param>
    public SpreadTokens(DeviceContext device, RankPlace place, int maxTokens)
    {
        _device = device;
        _place = place;
        int groups = place.AttentionDpSize;
        (_counts, _slots, _ownSlots, _isIdle) = (new long[groups], new long[groups], new long[groups], new bool[groups]);
        if (!device.IsMeta) _places = new PinnedBuffer(device, (long)maxTokens * groups * sizeof(int));
        _counts.AsSpan().Fill(maxTokens);
        Layout();
    }

    /// <summary>
    /// Tells the step's tokens of each group, the same on all ranks; 0 is a group without work, whose ranks pass one token of padding through the model.
    /// Not before the step before has ended.
    /// </summary>
    public void Begin(ReadOnlySpan<int> tokens)
    {
        for (int group = 0; group < _counts.Length; group++)
        {
            _isIdle[group] = tokens[group] == 0;
            _counts[group] = Math.Max(1, tokens[group]);
        }
        Layout();
    }

    /// <summary>Rows of <see cref="Gather"/>: each group's one after another, and perhaps padding.</summary>
    public long NumRows { get; private set; }

    private bool IsPadded { get; set; }

    private long OwnCount => _counts[_place.AttentionDpRank];

    /// <summary>[<see cref="NumRows"/>, width]: the rows of all groups.</summary>
    /// <param name="x">[own tokens, width]</param>
    public Tensor Gather(ForwardContext f, in Tensor x)
    {
        if (x.NumRows != OwnCount) throw new InvalidOperationException($"a step of {x.NumRows} tokens was announced as {OwnCount}");
        Tensor all = f.Arena.Allocate("tokens of all ranks", x.DType, NumRows, x[1]);
        if (!IsPadded)
        {
            long first = 0;
            for (int group = 0; group < _counts.Length; first += _counts[group++])
            {
                Tensor rows = all.Rows(first, _counts[group]);
                if (group == _place.AttentionDpRank) _device.Copy(rows, x);
                f.BroadcastToPeers(rows, group);
            }
            return all;
        }
        long slot = _slots[0];
        Tensor padded = x;
        if (slot > x.NumRows || f.Device.IsMeta)
        {
            padded = f.Arena.Allocate("own tokens and padding", x.DType, slot, x[1]);
            _device.Copy(padded.Rows(0, x.NumRows), x);
            if (slot > x.NumRows) _device.Fill(padded.Rows(x.NumRows, slot - x.NumRows), 0);
        }
        f.AllGatherRowsOfPeers(all, padded);
        return all;
    }

    /// <summary>stream += the sum over all ranks of part's rows of this group; the same on all ranks of the group.</summary>
    /// <param name="stream">[own tokens, width]</param>
    /// <param name="part">[<see cref="NumRows"/>, width], of stream's type or F32.</param>
    public void AddOwn(ForwardContext f, in Tensor stream, in Tensor part)
    {
        int groups = _counts.Length;
        long own = _ownSlots[0];
        Tensor parts = f.Arena.Allocate("parts of own tokens", part.DType, groups * own, part[1]);
        f.AllToAllOfPeers(parts, part, _ownSlots, _slots);
        Tensor places = f.Arena.Allocate("places of parts", DType.I32, OwnCount, groups);
        if (_places is not null)
        {
            // The same in every layer of a step, so that a copy under way reads what it should; steps wait for each other.
            Span<int> values = _places.AsSpan<int>(checked((int)(OwnCount * groups)));
            for (int i = 0; i < values.Length; i++) values[i] = (int)(i % groups * own + i / groups);
            _device.Copy(places, _places.AsTensor(DType.I32, OwnCount, groups));
        }
        if (_place.AttentionTpSize == 1)
        {
            Ops.GatherSum(f.Device, stream, parts, places, stream);
            return;
        }
        Tensor sum = f.Arena.Allocate("sum of own tokens", part.DType, OwnCount, part[1]);
        Ops.GatherSum(f.Device, sum, parts, places);
        f.AllReduce(stream, sum, stream);
    }

    /// <summary>Counts routers' choices of real tokens.</summary>
    /// <param name="ids">I32 [<see cref="NumRows"/>, k]</param>
    public void Count(ExpertCounter counter, string layer, in Tensor ids)
    {
        long first = 0;
        for (int group = 0; group < _counts.Length; first += _slots[group++])
            if (!_isIdle[group]) counter.Count(layer, ids.Rows(first, _counts[group]));
    }

    public void Dispose() => _places?.Dispose();

    /// <summary>
    /// Equal slots are gathered by one message; where they would hold more than a quarter of padding, as when one group prefills while another decodes,
    /// each group broadcasts its rows, and nothing is computed in vain.
    /// </summary>
    private void Layout()
    {
        long largest = 0, total = 0;
        foreach (long count in _counts)
        {
            largest = Math.Max(largest, count);
            total += count;
        }
        long padding = largest * _counts.Length - total;
        IsPadded = padding <= Math.Max(FreePadding, total / 4);
        if (IsPadded) _slots.AsSpan().Fill(largest);
        else _counts.CopyTo(_slots, 0);
        _ownSlots.AsSpan().Fill(_slots[_place.AttentionDpRank]);
        NumRows = IsPadded ? largest * _counts.Length : total;
    }
}
