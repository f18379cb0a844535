using System.Buffers.Binary;
using System.Text;
using SgLang.Models.Weights;

namespace SgLang.Models.Tests;

public class SafetensorsHeaderTests
{
    private const string TwoTensors = """
        {"__metadata__": {"format": "pt"}, "b": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [16, 28]}, "a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}
        """;

    [Fact]
    public void Entries_give_type_shape_and_place_in_the_file()
    {
        using var directory = new TemporaryDirectory();
        string path = directory.File("x.safetensors");
        File.WriteAllBytes(path, TestFiles.Safetensors(TwoTensors, 28));
        IReadOnlyDictionary<string, SafetensorsEntry> entries = SafetensorsHeader.Read(path);
        long start = 8 + Encoding.UTF8.GetByteCount(TwoTensors);
        Assert.Equal(2, entries.Count);
        Assert.Equal(("BF16", start + 16, start + 28), (entries["b"].DType, entries["b"].Begin, entries["b"].End));
        Assert.Equal([2, 3], entries["b"].Shape);
    }

    [Theory]
    [InlineData("""{"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 20]}}""", 16, "tensor a: data_offsets [0, 20] lie outside the file's 16 bytes")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [4], "data_offsets": [16, 0]}}""", 16, "tensor a: data_offsets [16, 0]")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [5], "data_offsets": [0, 16]}}""", 16, "tensor a: F32 [5] takes 20 bytes, its data_offsets hold 16")]
    [InlineData("""{"a": {"dtype": "F33", "shape": [4], "data_offsets": [0, 16]}}""", 16, "tensor a: dtype F33 is unknown")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]}}""", 16, "tensor a: the header entry must be")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [4], "data_offsets": [0]}}""", 16, "tensor a: the header entry must be")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [4]}}""", 16, "tensor a: the header entry must be")]
    [InlineData("""{"a": 5}""", 16, "tensor a: the header entry must be")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}, "b": {"dtype": "F32", "shape": [4], "data_offsets": [8, 24]}}""", 24, "tensor b: its bytes overlap those of a")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}, "b": {"dtype": "U8", "shape": [4], "data_offsets": [20, 24]}}""", 24, "tensor b: 4 bytes before it belong to no tensor")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}""", 20, "4 bytes after a belong to no tensor")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}, "a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}""", 16, "tensor a is listed twice")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [4611686018427387904, 4611686018427387904, 4], "data_offsets": [0, 16]}}""", 16, "tensor a: F32")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 99999999999999999999]}}""", 16, "tensor a: the header entry must be")]
    [InlineData("[]", 0, "the header is not a JSON object")]
    [InlineData("{\"a\"", 0, "the header is not valid JSON")]
    public void A_lying_header_is_refused_naming_file_and_tensor(string header, int dataBytes, string expected)
    {
        using var directory = new TemporaryDirectory();
        string path = directory.File("bad.safetensors");
        File.WriteAllBytes(path, TestFiles.Safetensors(header, dataBytes));
        var error = Assert.Throws<WeightException>(() => SafetensorsHeader.Read(path));
        Assert.StartsWith(path, error.Message);
        Assert.Contains(expected, error.Message);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(100)]
    public void A_file_cut_anywhere_is_refused(int length)
    {
        using var directory = new TemporaryDirectory();
        string path = directory.File("cut.safetensors");
        File.WriteAllBytes(path, TestFiles.Safetensors(TwoTensors, 28)[..length]);
        Assert.Contains("truncated", Assert.Throws<WeightException>(() => SafetensorsHeader.Read(path)).Message);
    }

    [Fact]
    public void Every_cut_of_a_file_is_refused()
    {
        byte[] whole = TestFiles.Safetensors(TwoTensors, 28);
        using var directory = new TemporaryDirectory();
        string path = directory.File("cut.safetensors");
        for (int length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(path, whole[..length]);
            Assert.Throws<WeightException>(() => SafetensorsHeader.Read(path));
        }
    }

    [Fact]
    public void An_absurd_header_size_is_refused_before_memory_is_taken()
    {
        using var directory = new TemporaryDirectory();
        string path = directory.File("big.safetensors");
        var bytes = new byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, ulong.MaxValue);
        File.WriteAllBytes(path, bytes);
        Assert.Contains("the header claims 18446744073709551615 bytes", Assert.Throws<WeightException>(() => SafetensorsHeader.Read(path)).Message);
    }

    [Fact]
    public void Random_damage_never_escapes_as_another_exception()
    {
        const int Seed = 20261124;
        var random = new Random(Seed);
        byte[] whole = TestFiles.Safetensors(TwoTensors, 28);
        for (int round = 0; round < 2000; round++)
        {
            byte[] damaged = [.. whole];
            for (int i = random.Next(1, 4); i > 0; i--) damaged[random.Next(8, damaged.Length - 28)] = (byte)random.Next(256);
            try
            {
                SafetensorsHeader.Parse(damaged.AsMemory(8, damaged.Length - 36), 28, "damaged");
            }
            catch (WeightException)
            {
            }
            catch (Exception e)
            {
                Assert.Fail($"seed {Seed}, round {round}: {e}");
            }
        }
    }
}
