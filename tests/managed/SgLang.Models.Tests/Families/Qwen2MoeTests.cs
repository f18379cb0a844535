using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using SgLang.Core;
using SgLang.Runtime;

namespace SgLang.Models.Tests;

/// <summary>
/// No checkpoint of this family is recorded, so one is made of Qwen2's, which is: the routed experts all are the first half of each MLP's features,
/// so their weights add up to 1 whichever are chosen, and the shared expert is the second half, doubled, behind a gate that is sigmoid(0).
/// </summary>
public class Qwen2MoeTests
{
    private const int Experts = 5;

    private static readonly int[] s_prompt = [.. Enumerable.Range(3, 60)];

    private sealed record Entry(string DType, long[] Shape, byte[] Data)
    {
        public Entry Rows(long first, long count)
        {
            int rowBytes = (int)(Data.Length / Shape[0]);
            return new Entry(DType, [count, Shape[1]], Data[((int)first * rowBytes)..((int)(first + count) * rowBytes)]);
        }

        public Entry Columns(long first, long count)
        {
            int size = Data.Length / (int)(Shape[0] * Shape[1]);
            var data = new List<byte>();
            for (long row = 0; row < Shape[0]; row++) data.AddRange(Data.AsSpan((int)((row * Shape[1] + first) * size), (int)count * size));
            return new Entry(DType, [Shape[0], count], [.. data]);
        }

        /// <summary>Of BF16: one more in the exponent, except that 0 stays.</summary>
        public Entry Doubled()
        {
            Assert.Equal("BF16", DType);
            byte[] data = [.. Data];
            for (int i = 0; i < data.Length; i += 2)
            {
                ushort bits = BinaryPrimitives.ReadUInt16LittleEndian(data.AsSpan(i));
                if ((bits & 0x7f80) != 0) BinaryPrimitives.WriteUInt16LittleEndian(data.AsSpan(i), (ushort)(bits + 0x80));
            }
            return this with { Data = data };
        }
    }

    private static Dictionary<string, Entry> Read(string path)
    {
        byte[] file = File.ReadAllBytes(path);
        int start = 8 + (int)BitConverter.ToInt64(file);
        using JsonDocument header = JsonDocument.Parse(file.AsMemory(8, start - 8));
        var entries = new Dictionary<string, Entry>();
        foreach (JsonProperty property in header.RootElement.EnumerateObject())
        {
            if (property.Name == "__metadata__") continue;
            int[] offsets = [.. property.Value.GetProperty("data_offsets").EnumerateArray().Select(value => value.GetInt32())];
            long[] shape = [.. property.Value.GetProperty("shape").EnumerateArray().Select(value => value.GetInt64())];
            entries[property.Name] = new Entry(property.Value.GetProperty("dtype").GetString()!, shape, file[(start + offsets[0])..(start + offsets[1])]);
        }
        return entries;
    }

    private static void Write(string path, Dictionary<string, Entry> entries)
    {
        var header = new JsonObject();
        var data = new MemoryStream();
        foreach ((string name, Entry entry) in entries)
        {
            header[name] = new JsonObject
            {
                ["dtype"] = entry.DType,
                ["shape"] = new JsonArray([.. entry.Shape.Select(size => (JsonNode)size)]),
                ["data_offsets"] = new JsonArray(data.Length, data.Length + entry.Data.Length),
            };
            data.Write(entry.Data);
        }
        byte[] json = Encoding.UTF8.GetBytes(header.ToJsonString());
        File.WriteAllBytes(path, [.. BitConverter.GetBytes((long)json.Length), .. json, .. data.ToArray()]);
    }

    /// <param name="chosen">Experts of a token; without a division by their sum it must be all.</param>
    private static void MakeMoe(TemporaryDirectory directory, int chosen, bool renormalize)
    {
        JsonNode config = JsonNode.Parse(File.ReadAllText(directory.File("config.json")))!;
        long hidden = (long)config["hidden_size"]!, half = (long)config["intermediate_size"]! / 2;
        Dictionary<string, Entry> entries = Read(directory.File("model.safetensors"));
        var random = new Random(1);
        for (int layer = 0; layer < (int)config["num_hidden_layers"]!; layer++)
        {
            // One layer stays dense.
            if (layer == 1) continue;
            string mlp = $"model.layers.{layer}.mlp";
            entries.Remove($"{mlp}.gate_proj.weight", out Entry? gate);
            entries.Remove($"{mlp}.up_proj.weight", out Entry? up);
            entries.Remove($"{mlp}.down_proj.weight", out Entry? down);
            for (int expert = 0; expert < Experts; expert++) Add($"{mlp}.experts.{expert}", 0, down!.Columns(0, half));
            Add($"{mlp}.shared_expert", half, down!.Columns(half, half).Doubled());
            var scores = new byte[Experts * hidden * 2];
            for (int i = 0; i < scores.Length; i += 2) BinaryPrimitives.WriteUInt16LittleEndian(scores.AsSpan(i), (ushort)(BitConverter.SingleToUInt32Bits((float)(random.NextDouble() - 0.5)) >> 16));
            entries[$"{mlp}.gate.weight"] = new Entry("BF16", [Experts, hidden], scores);
            entries[$"{mlp}.shared_expert_gate.weight"] = new Entry("BF16", [1, hidden], new byte[hidden * 2]);

            void Add(string at, long first, Entry ofDown)
            {
                entries[$"{at}.gate_proj.weight"] = gate!.Rows(first, half);
                entries[$"{at}.up_proj.weight"] = up!.Rows(first, half);
                entries[$"{at}.down_proj.weight"] = ofDown;
            }
        }
        Write(directory.File("model.safetensors"), entries);
        config["architectures"] = new JsonArray("Qwen2MoeForCausalLM");
        config["model_type"] = "qwen2_moe";
        config["num_experts"] = Experts;
        config["num_experts_per_tok"] = chosen;
        config["norm_topk_prob"] = renormalize;
        config["moe_intermediate_size"] = half;
        config["shared_expert_intermediate_size"] = half;
        config["mlp_only_layers"] = new JsonArray(1);
        File.WriteAllText(directory.File("config.json"), config.ToJsonString());
    }

    private static float[][] Run(string directory)
    {
        using DeviceContext device = DeviceContext.Create(DeviceKind.Cpu);
        using IModel model = ModelLoader.Load(device, directory, new ModelLoadOptions { DType = ModelDType.Float32 });
        using var runner = new StepRunner(device, model, pageSize: 16, maxTokens: 256);
        return runner.Step([(new Sequence(s_prompt), s_prompt.Length)], allRows: true);
    }

    [Theory]
    [InlineData(2, true)]
    [InlineData(1, true)]
    [InlineData(Experts, false)]
    public void A_dense_model_told_as_routed_and_shared_experts_gives_its_logits(int chosen, bool renormalize)
    {
        float[][] expected = Run(TestFiles.Model("qwen2"));
        using TemporaryDirectory copy = TemporaryDirectory.CopyOf("qwen2");
        MakeMoe(copy, chosen, renormalize);
        float[][] logits = Run(copy.Path);
        for (int i = 0; i < expected.Length; i++)
            for (int j = 0; j < expected[i].Length; j++) Assert.Equal(expected[i][j], logits[i][j], 1e-3);
    }

    [Fact]
    public void One_expert_of_several_counts_by_its_share_where_shares_are_not_divided_by_their_sum()
    {
        float[][] expected = Run(TestFiles.Model("qwen2"));
        using TemporaryDirectory copy = TemporaryDirectory.CopyOf("qwen2");
        MakeMoe(copy, chosen: 1, renormalize: false);
        float[][] logits = Run(copy.Path);
        Assert.True(expected[9].Zip(logits[9], (a, b) => Math.Abs(a - b)).Max() > 0.01);
    }
}
