using SgLang.Core;
using SgLang.Interop;

namespace SgLang.Runtime.Tests;

/// <summary>The wrappers pass their arguments in the right places; the operations themselves are tested in tests/native/comm.</summary>
public sealed class CommunicatorTests
{
    private const int Ranks = 3;

    /// <summary>Runs a body on a thread of each rank; rethrows the first failure.</summary>
    private static void OnEachRank(CommGroup group, Action<DeviceContext, Communicator> body)
    {
        Exception?[] failures = new Exception?[group.NumRanks];
        Thread[] threads = new Thread[group.NumRanks];
        for (int rank = 0; rank < threads.Length; rank++)
        {
            int mine = rank;
            threads[rank] = new Thread(() =>
            {
                try
                {
                    using DeviceContext device = DeviceContext.Create(DeviceKind.Cpu, numThreads: 1);
                    using Communicator communicator = new(device, group, mine);
                    body(device, communicator);
                }
                catch (Exception error)
                {
                    failures[mine] = error;
                    group.Abort(error.Message);
                }
            });
            threads[rank].Start();
        }
        foreach (Thread thread in threads) thread.Join();
        if (failures.FirstOrDefault(failure => failure is not null) is { } first) throw new InvalidOperationException(first.Message, first);
    }

    private static float[] Run(DeviceContext device, float[] x, long[] xShape, long[] yShape, Action<Tensor, Tensor> call)
    {
        using DeviceBuffer xs = new(device, Math.Max(1, x.Length) * 4, "x"), ys = new(device, Math.Max(1, yShape.Aggregate(4L, (a, b) => a * b)), "y");
        Tensor source = xs.AsTensor(DType.F32, xShape), result = ys.AsTensor(DType.F32, yShape);
        device.Upload<float>(source, x);
        device.Fill(result, 0xFF);
        call(result, source);
        float[] values = new float[result.NumElements];
        device.Download(values.AsSpan(), result);
        return values;
    }

    [Fact]
    public void Collectives_give_each_rank_its_answer()
    {
        using CommGroup group = new(DeviceKind.Cpu, Ranks, TimeSpan.FromSeconds(20));
        OnEachRank(group, (device, ranks) =>
        {
            float r = ranks.Rank;
            Assert.Equal([3, 6], Run(device, [r, r + 1], [2], [2], (y, x) => ranks.AllReduce(y, x)));
            Assert.Equal([3 + 5, 6 + 5], Run(device, [r, r + 1], [2], [2], (y, x) =>
            {
                device.Upload<float>(y, [5, 5]);
                ranks.AllReduce(y, x, y);
            }));
            Assert.Equal([0, 1, 2, 10, 11, 12], Run(device, [r, r + 10], [2, 1], [2, 3], (y, x) => ranks.AllGatherColumns(y, x)));
            Assert.Equal([0, 10, 1, 11, 2, 12], Run(device, [r, r + 10], [1, 2], [3, 2], (y, x) => ranks.AllGatherRows(y, x)));
            Assert.Equal([3 * r], Run(device, [0, 1, 2], [3, 1], [1, 1], (y, x) => ranks.ReduceScatter(y, x)));
            // Everybody sends one row to its right neighbour.
            long[] sends = new long[Ranks], receives = new long[Ranks];
            sends[(ranks.Rank + 1) % Ranks] = 1;
            receives[(ranks.Rank + 2) % Ranks] = 1;
            Assert.Equal([(r + 2) % Ranks], Run(device, [r], [1, 1], [1, 1], (y, x) => ranks.AllToAll(y, x, receives, sends)));
            Assert.Equal([2], Run(device, [r], [1], [1], (y, x) =>
            {
                device.Copy(y, x);
                ranks.Broadcast(y, 2);
            }));
            Assert.Equal([(r + 2) % Ranks], Run(device, [r], [1], [1], (y, x) =>
            {
                ranks.Send(x, (ranks.Rank + 1) % Ranks);
                ranks.Receive(y, (ranks.Rank + 2) % Ranks);
            }));
            ranks.Barrier();
        });
    }

    [Fact]
    public void An_aborted_group_says_why_and_works_again_after_a_reset()
    {
        using CommGroup group = new(DeviceKind.Cpu, 2, TimeSpan.FromSeconds(20));
        OnEachRank(group, (_, ranks) =>
        {
            if (ranks.Rank == 0) group.Abort("the disk is full");
            else Assert.Contains("the disk is full", Assert.Throws<SglException>(ranks.Barrier).Message);
        });
        group.Reset();
        OnEachRank(group, (_, ranks) => ranks.Barrier());
    }

    [Fact]
    public void A_meta_context_has_ranks_and_does_nothing()
    {
        using CommGroup group = new(DeviceKind.Cpu, 2, TimeSpan.FromSeconds(1));
        using DeviceContext meta = DeviceContext.CreateMeta();
        using Communicator ranks = new(meta, group, 1);
        ranks.AllReduce(new Tensor(0, DType.F32, 4), new Tensor(0, DType.F32, 4));
        ranks.Barrier();
        Assert.Equal((1, 2), (ranks.Rank, ranks.NumRanks));
    }
}
