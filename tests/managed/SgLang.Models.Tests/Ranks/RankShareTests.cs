using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using SgLang.Core;
using SgLang.Models.Weights;
using SgLang.Runtime;

namespace SgLang.Models.Tests.Ranks;

/// <summary>What each rank has of a model, by shapes and by the bytes that it holds and reads.</summary>
public sealed class RankShareTests
{
    private static ModelConfig Config(string changes) => ModelConfig.Load(TestFiles.Model("qwen3-moe"), changes);

    [Theory]
    [InlineData("llama", 3, 1, 1, "--tp-size is 3; it must divide num_attention_heads, 4.")]
    [InlineData("llama", 1, 4, 1, "--pp-size is 4; it must be at most num_hidden_layers, 3.")]
    [InlineData("llama", 2, 1, 2, "--ep-size is 2; it must be 1: LlamaForCausalLM has no experts.")]
    [InlineData("mixtral", 4, 1, 3, "--ep-size is 3; it must divide --tp-size, 4.")]
    public void A_model_that_cannot_be_cut_so_says_which_option_to_change(string model, int tp, int pp, int ep, string message)
    {
        ModelConfig config = ModelConfig.Load(TestFiles.Model(model));
        ModelConfigException error = Assert.Throws<ModelConfigException>(() => RankShare.Of(config, RankPlace.All(tp, pp, ep)[0]));
        Assert.Equal(message, error.Message);
    }

    [Property(MaxTest = 200)]
    public Property Shares_of_all_ranks_cover_the_model_exactly() => Prop.ForAll(
        (from tp in Gen.Elements(1, 2, 4, 8)
         from pp in Gen.Elements(1, 2, 3, 5)
         from ep in Gen.Elements(1, 2, 4, 8)
         from kv in Gen.Elements(1, 2, 4, 8)
         from layers in Gen.Choose(5, 40)
         where tp % ep == 0
         select (Tp: tp, Pp: pp, Ep: ep, Kv: kv, Layers: layers)).ToArbitrary(),
        shape =>
        {
            ModelConfig config = Config($$"""{"num_attention_heads": 8, "num_key_value_heads": {{shape.Kv}}, "num_hidden_layers": {{shape.Layers}}}""");
            RankShare[] shares = [.. RankPlace.All(shape.Tp, shape.Pp, shape.Ep).Select(place => RankShare.Of(config, place))];
            int[] heads = new int[8], kv = new int[shape.Kv], layers = new int[shape.Layers], experts = new int[config.NumExperts];
            foreach (RankShare share in shares)
            {
                if (share.Place.IsFirstStage) Count(heads, share.Heads);
                if (share.Place.IsFirstStage) Count(kv, share.KvHeads);
                if (share.Place.IsFirstStage) Count(experts, share.Experts);
                if (share.Place.TpRank == 0) Count(layers, share.Layers);
            }
            Assert.All(heads, count => Assert.Equal(1, count));
            Assert.All(kv, count => Assert.Equal(Math.Max(1, shape.Tp / shape.Kv), count));
            Assert.All(layers, count => Assert.Equal(1, count));
            Assert.All(experts, count => Assert.Equal(shape.Tp / shape.Ep, count));
        });

    [Theory]
    [InlineData("llama", 2, 1, 1)]
    [InlineData("llama", 4, 1, 1)]
    [InlineData("demo", 2, 1, 1)]
    [InlineData("mixtral", 4, 1, 1)]
    [InlineData("mixtral", 4, 1, 4)]
    [InlineData("llama", 1, 3, 1)]
    public void A_rank_holds_and_reads_its_own_slices_only(string model, int tp, int pp, int ep)
    {
        using DeviceContext meta = DeviceContext.CreateMeta();
        (long whole, long wholeRead) = Bytes(meta, model, RankPlace.Single);
        long sum = 0, sumRead = 0, largest = 0;
        foreach (RankPlace place in RankPlace.All(tp, pp, ep))
        {
            (long held, long read) = Bytes(meta, model, place);
            sum += held;
            sumRead += read;
            largest = Math.Max(largest, held);
        }
        // Norms, routers and rotary tables are on every rank; a KV head is on the ranks that share it; a tied embedding on two stages.
        int ranks = tp * pp;
        Assert.InRange(sumRead, wholeRead, (long)(wholeRead * 1.35));
        Assert.InRange(largest, whole / ranks, (long)(whole / ranks * 1.9));
        Assert.True(sum >= whole);
    }

    /// <summary>Device bytes without the rotary table, and bytes of the checkpoint that the load reads.</summary>
    private static (long Held, long Read) Bytes(DeviceContext meta, string model, RankPlace place)
    {
        long total = 0;
        using IModel part = ModelLoader.Load(meta, TestFiles.Model(model), new ModelLoadOptions { Place = place, MaxPositions = 16, Progress = (_, all) => total = all });
        return (part.WeightBytes, total);
    }

    /// <summary>Rows and columns of a matrix whose every element is its own number.</summary>
    [Fact]
    public void Blocks_of_a_tensor_land_where_they_belong()
    {
        using TemporaryDirectory directory = new();
        float[] values = [.. Enumerable.Range(0, 12).Select(i => (float)i)];
        byte[] file = TestFiles.Safetensors("""{"w": {"dtype": "F32", "shape": [3, 4], "data_offsets": [0, 48]}, "v": {"dtype": "F32", "shape": [3], "data_offsets": [48, 60]}}""", 60);
        Buffer.BlockCopy(values, 0, file, file.Length - 60, 48);
        Buffer.BlockCopy(values, 0, file, file.Length - 12, 12);
        File.WriteAllBytes(directory.File("model.safetensors"), file);
        using DeviceContext device = DeviceContext.Create(DeviceKind.Cpu);
        using WeightReader reader = WeightReader.Open(directory.Path);
        using PackedWeight weight = new(device, DType.F32, 2, 2);
        reader.Load(device, weight, [new WeightPart("w", new Shard(3, 1, 2)) { Columns = new Shard(4, 2, 2) }]);
        using DeviceBuffer memory = new(device, 64, "test");
        Tensor rows = memory.AsTensor(DType.F32, 2, 2), ids = memory.View(32, DType.I32, 2), vector = memory.View(48, DType.F32, 2);
        device.Upload<int>(ids, [0, 1]);
        Ops.Embedding(device, rows, weight, ids);
        float[] read = new float[4];
        device.Download(read.AsSpan(), rows);
        Assert.Equal([6, 7, 10, 11], read);
        reader.Load(device, vector, [new WeightPart("v", new Shard(3, 1, 2))]);
        device.Download(read.AsSpan(0, 2), vector);
        Assert.Equal([1, 2], read[..2]);
    }

    private static void Count(int[] counts, Shard shard)
    {
        for (long i = shard.First; i < shard.End; i++) counts[i]++;
    }
}
