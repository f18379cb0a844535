using SgLang.Models;
using SgLang.Runtime;
using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>
/// The way of sampled ids from the last pipeline stage, which draws them, to the first, whose next inputs they are. The first stage takes
/// them only when a step refers to one, or when those of as many steps are out as there are micro-batches: until then it works ahead.
/// </summary>
internal sealed class DrawnIds(DeviceContext device, RankCommunicators? ranks, int maxRequests, int numMicroBatches) : IDisposable
{
    /// <summary>The last stage can send the ids of so many steps before it must wait for the first (sgl_send).</summary>
    private const int MaxUnread = 4;

    private readonly StepInputs _inputs = new(device, 1, maxRequests);
    private readonly DeviceBuffer _ids = new(device, (long)maxRequests * sizeof(int), "ids drawn on the last stage");

    // Oldest first; one more than may be out when a step begins.
    private readonly (int[] Rows, int Count)[] _pending = [.. Enumerable.Range(0, Math.Min(numMicroBatches, MaxUnread)).Select(_ => (new int[maxRequests], 0))];
    private int _numPending;
    private int _numResets;

    /// <summary>On the last stage, with the ids of a step: I32 [n], which may lie in page-locked memory.</summary>
    public void Send(in Tensor ids)
    {
        Tensor toSend = _ids.AsTensor(DType.I32, ids.NumRows);
        device.Copy(toSend, ids);
        ranks!.Pipeline!.Send(toSend, 0);
    }

    /// <summary>On the first stage, before a step: brings the table of last ids up to what its inputs refer to.</summary>
    public void ReceiveFor(StepPlan plan, in Tensor lastIds)
    {
        // After a failed step nobody sends what was expected.
        if (_numResets != (_numResets = ranks!.Pipeline!.NumResets)) _numPending = 0;
        while (_numPending == _pending.Length || (_numPending > 0 && NeedsPending(plan.TokenSources))) ReceiveOldest(lastIds);
    }

    /// <summary>On the first stage, after a step: its ids will come for these rows.</summary>
    public void Expect(ReadOnlySpan<int> rows)
    {
        ref (int[] Rows, int Count) next = ref _pending[_numPending++];
        rows.CopyTo(next.Rows);
        next.Count = rows.Length;
    }

    public void Dispose()
    {
        _inputs.Dispose();
        _ids.Dispose();
    }

    /// <summary>A source below zero is a row of the table (see <see cref="StepPlan.TokenSources"/>).</summary>
    private bool NeedsPending(ReadOnlySpan<int> sources)
    {
        foreach (int source in sources)
        {
            if (source >= 0) continue;
            for (int step = 0; step < _numPending; step++)
                if (_pending[step].Rows.AsSpan(0, _pending[step].Count).Contains(-source - 1)) return true;
        }
        return false;
    }

    private void ReceiveOldest(in Tensor lastIds)
    {
        (int[] rows, int count) = _pending[0];
        Tensor ids = _ids.AsTensor(DType.I32, count);
        ranks!.Pipeline!.Receive(ids, ranks.Place.PpSize - 1);
        _inputs.Begin(0);
        Tensor rowsOnDevice = _inputs.Add(rows.AsSpan(0, count));
        _inputs.Send();
        Ops.TokenScatter(device, lastIds, rowsOnDevice, ids);
        // The buffers carry the next step's ids next.
        device.Synchronize();
        _numPending--;
        for (int i = 0; i < _numPending; i++) _pending[i] = _pending[i + 1];
        _pending[_numPending] = (rows, 0);
    }
}
