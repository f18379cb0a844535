using System.IO.Compression;
using System.IO.Hashing;

namespace SgLang.Profiling.Tests.Merging;

public sealed class GzipJoinerTests(ITestOutputHelper output)
{
    [Fact]
    public void Segments_made_apart_unpack_as_one_checked_member()
    {
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        for (int round = 0; round < 30; round++)
        {
            using var plain = new MemoryStream();
            using var packed = new MemoryStream();
            var joiner = new GzipJoiner(packed);
            for (int piece = 0; piece < random.Next(6); piece++)
            {
                byte[] bytes = new byte[(int)Math.Pow(10, random.NextDouble() * 5) - 1];
                random.NextBytes(bytes.AsSpan(bytes.Length / 2));
                plain.Write(bytes);
                if (bytes.Length < 100)
                {
                    joiner.Append(bytes);
                    continue;
                }
                using var segment = new GzipSegment(Path.GetTempPath());
                segment.Content.Write(bytes);
                segment.Complete();
                joiner.Append(segment);
            }
            joiner.Finish();
            // Any other last byte of checksum or length would throw here.
            packed.Position = 0;
            using var gzip = new GZipStream(packed, CompressionMode.Decompress);
            using var unpacked = new MemoryStream();
            gzip.CopyTo(unpacked);
            Assert.Equal(plain.ToArray(), unpacked.ToArray());
        }
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0, 5)]
    [InlineData(7, 0)]
    [InlineData(1, 100_003)]
    [InlineData(4097, 129)]
    public void Checksums_of_parts_give_that_of_the_whole(int first, int second)
    {
        byte[] bytes = new byte[first + second];
        new Random(first).NextBytes(bytes);
        Assert.Equal(
            Crc32.HashToUInt32(bytes),
            Crc32Combination.Combine(Crc32.HashToUInt32(bytes.AsSpan(0, first)), Crc32.HashToUInt32(bytes.AsSpan(first)), second));
    }

    [Fact]
    public void Nothing_is_left_of_the_temporary_files()
    {
        string directory = TestDirectory.Create("sglang-segment");
        using (var segment = new GzipSegment(directory)) segment.Content.Write(new byte[100]);
        Assert.Empty(Directory.GetFileSystemEntries(directory));
        Directory.Delete(directory);
    }
}
