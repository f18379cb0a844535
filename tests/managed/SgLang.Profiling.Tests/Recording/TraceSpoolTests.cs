namespace SgLang.Profiling.Tests.Recording;

public sealed class TraceSpoolTests : IDisposable
{
    private readonly string _directory = TestDirectory.Create("sglang-spool");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory]
    [InlineData(3_000)]
    [InlineData(4_000_000)]
    public void Blocks_come_back_in_their_order_from_memory_and_from_the_file(int numRecords)
    {
        int seed = Random.Shared.Next();
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
        Random random = new(seed);
        using TraceSpool<long> spool = new(_directory, long.MaxValue);
        long[] block = new long[TraceSpool<long>.BlockRecords];
        List<(int Ring, int Count)> appended = [];
        for (long next = 0; next < numRecords;)
        {
            int count = random.Next(1, block.Length + 1), ring = random.Next(9);
            for (int i = 0; i < count; i++) block[i] = next++;
            spool.Append(ring, block.AsSpan(0, count));
            appended.Add((ring, count));
        }
        Assert.Equal(appended.Sum(a => (long)a.Count), spool.NumRecords);
        // Small windows never touch the disk.
        Assert.Equal(numRecords > 3_000, spool.NumBytes > 0);
        for (int round = 0; round < 2; round++)
        {
            spool.Rewind();
            long expected = 0;
            foreach ((int ring, int count) in appended)
            {
                Assert.True(spool.TryRead(block, out int readRing, out int readCount));
                Assert.Equal((ring, count), (readRing, readCount));
                for (int i = 0; i < count; i++) Assert.Equal(expected++, block[i]);
            }
            Assert.False(spool.TryRead(block, out _, out _));
        }
    }

    [Fact]
    public void Whole_blocks_of_records_of_an_odd_number_fit()
    {
        using TraceSpool<SixLongs> spool = new(_directory, long.MaxValue);
        Assert.Equal(1, TraceSpool<SixLongs>.BlockRecords % 2);
        SixLongs[] block = new SixLongs[TraceSpool<SixLongs>.BlockRecords];
        for (int i = 0; i < 400; i++) spool.Append(i, block);
        spool.Rewind();
        for (int i = 0; i < 400; i++) Assert.True(spool.TryRead(block, out int ring, out int count) && ring == i && count == block.Length);
    }

    private readonly struct SixLongs
    {
#pragma warning disable CS0169, IDE0051 // Only its size matters.
        private readonly long _a, _b, _c, _d, _e, _f;
#pragma warning restore CS0169, IDE0051
    }

    [Fact]
    public void What_finds_no_room_in_the_file_is_counted()
    {
        using TraceSpool<long> spool = new(_directory, maxBytes: 100_000);
        long[] block = new long[TraceSpool<long>.BlockRecords];
        int blocks = 400;
        for (int i = 0; i < blocks; i++)
        {
            Random.Shared.NextBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes(block.AsSpan()));
            spool.Append(0, block);
        }
        Assert.True(spool.Dropped > 0);
        Assert.Equal((long)blocks * block.Length, spool.NumRecords + spool.Dropped);
        Assert.InRange(spool.NumBytes, 1, 100_000);
    }
}
