using System.Text;
using System.Text.Json;
using SgLang.Models.Weights;
using SgLang.Runtime;

namespace SgLang.Models.Tests;

/// <summary>Damaged and odd checkpoints, checked on a meta device: no memory, no native library.</summary>
public class WeightReaderTests
{
    /// <summary>Builds a model without a device: names and shapes are checked, nothing is allocated.</summary>
    private static void Check(string directory)
    {
        using DeviceContext meta = DeviceContext.CreateMeta();
        ModelLoader.Load(meta, directory, new ModelLoadOptions()).Dispose();
    }

    /// <summary>Rewrites a safetensors file without a tensor, or with another name or shape for it.</summary>
    private static void Rewrite(string path, string tensor, Func<string, string?> change)
    {
        byte[] file = File.ReadAllBytes(path);
        int size = (int)BitConverter.ToInt64(file);
        using JsonDocument header = JsonDocument.Parse(file.AsMemory(8, size));
        var entries = new List<string>();
        foreach (JsonProperty property in header.RootElement.EnumerateObject())
        {
            string entry = $"{JsonSerializer.Serialize(property.Name)}: {property.Value.GetRawText()}";
            if (property.Name == tensor) entry = change(entry)!;
            if (entry is not null) entries.Add(entry);
        }
        byte[] json = Encoding.UTF8.GetBytes("{" + string.Join(", ", entries) + "}");
        File.WriteAllBytes(path, [.. BitConverter.GetBytes((long)json.Length), .. json, .. file.AsSpan(8 + size)]);
    }

    [Fact]
    public void A_missing_tensor_is_named()
    {
        using TemporaryDirectory copy = TemporaryDirectory.CopyOf("llama");
        Rewrite(copy.File("model.safetensors"), "model.layers.1.mlp.up_proj.weight", entry => entry.Replace("up_proj", "other"));
        var error = Assert.Throws<WeightException>(() => Check(copy.Path));
        Assert.Contains("tensor model.layers.1.mlp.up_proj.weight is missing", error.Message);
    }

    [Fact]
    public void A_checkpoint_that_begins_inside_of_the_head_is_read()
    {
        using TemporaryDirectory copy = TemporaryDirectory.CopyOf("llama");
        string path = copy.File("model.safetensors");
        byte[] file = File.ReadAllBytes(path);
        int size = (int)BitConverter.ToInt64(file);
        byte[] header = Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(file, 8, size).Replace("\"model.", "\""));
        File.WriteAllBytes(path, [.. BitConverter.GetBytes((long)header.Length), .. header, .. file.AsSpan(8 + size)]);
        Check(copy.Path);
        using WeightReader reader = WeightReader.Open(copy.Path);
        Assert.True(reader.Contains("model.embed_tokens.weight") && !reader.Contains("embed_tokens.weight"));
    }

    [Fact]
    public void A_tensor_of_another_shape_is_named_with_both_shapes()
    {
        using TemporaryDirectory copy = TemporaryDirectory.CopyOf("llama");
        Rewrite(copy.File("model.safetensors"), "model.layers.0.mlp.down_proj.weight", entry => entry.Replace("[128,320]", "[320,128]").Replace("[128, 320]", "[320, 128]"));
        var error = Assert.Throws<WeightException>(() => Check(copy.Path));
        Assert.Contains("tensor model.layers.0.mlp.down_proj.weight is [320, 128]; config.json makes it [128, 320]", error.Message);
    }

    [Fact]
    public void A_tensor_of_integers_is_refused()
    {
        using TemporaryDirectory copy = TemporaryDirectory.CopyOf("llama");
        Rewrite(copy.File("model.safetensors"), "model.norm.weight", entry => entry.Replace("BF16", "I16"));
        Assert.Contains("tensor model.norm.weight is I16; weights must be F32, F16 or BF16", Assert.Throws<WeightException>(() => Check(copy.Path)).Message);
    }

    [Fact]
    public void A_truncated_checkpoint_is_refused()
    {
        using TemporaryDirectory copy = TemporaryDirectory.CopyOf("llama");
        byte[] file = File.ReadAllBytes(copy.File("model.safetensors"));
        File.WriteAllBytes(copy.File("model.safetensors"), file[..(file.Length - 1000)]);
        var error = Assert.Throws<WeightException>(() => Check(copy.Path));
        Assert.Contains("model.safetensors: tensor ", error.Message);
        Assert.Contains("truncated", error.Message);
    }

    [Fact]
    public void No_weights_at_all_is_said_with_what_to_do()
    {
        using TemporaryDirectory copy = TemporaryDirectory.CopyOf("llama");
        File.Delete(copy.File("model.safetensors"));
        Assert.Contains("--load-format dummy", Assert.Throws<WeightException>(() => Check(copy.Path)).Message);
    }

    [Fact]
    public void An_unsupported_architecture_lists_what_is_supported()
    {
        using TemporaryDirectory copy = TemporaryDirectory.CopyOf("llama");
        File.WriteAllText(copy.File("config.json"), File.ReadAllText(copy.File("config.json")).Replace("LlamaForCausalLM", "MambaForCausalLM"));
        var error = Assert.Throws<ModelConfigException>(() => Check(copy.Path));
        Assert.Contains("MambaForCausalLM, which is not supported", error.Message);
        foreach (string architecture in ModelRegistry.Supported) Assert.Contains(architecture, error.Message);
    }

    [Fact]
    public void A_damaged_config_is_refused()
    {
        using TemporaryDirectory copy = TemporaryDirectory.CopyOf("llama");
        string config = File.ReadAllText(copy.File("config.json"));
        File.WriteAllText(copy.File("config.json"), config[..(config.Length / 2)]);
        Assert.Contains("config.json: not valid JSON", Assert.Throws<ModelConfigException>(() => Check(copy.Path)).Message);
    }

    [Fact]
    public void An_activation_that_no_family_has_is_refused()
    {
        using DeviceContext meta = DeviceContext.CreateMeta();
        var options = new ModelLoadOptions { JsonModelOverrideArgs = """{"hidden_act": "gelu"}""" };
        Assert.Contains("hidden_act is gelu", Assert.Throws<ModelConfigException>(() => ModelLoader.Load(meta, TestFiles.Model("llama"), options)).Message);
    }

    [Fact]
    public void Shards_are_read_through_the_index_and_other_files_ignored()
    {
        using TemporaryDirectory copy = TemporaryDirectory.CopyOf("llama");
        Shard(copy);
        File.WriteAllText(copy.File("consolidated.safetensors"), "not read");
        Check(copy.Path);
    }

    [Fact]
    public void A_shard_that_is_not_there_is_named()
    {
        using TemporaryDirectory copy = TemporaryDirectory.CopyOf("llama");
        Shard(copy);
        File.Delete(copy.File("second.safetensors"));
        Assert.Contains("is in second.safetensors, which is not there", Assert.Throws<WeightException>(() => Check(copy.Path)).Message);
    }

    [Fact]
    public void An_index_that_names_the_wrong_shard_is_refused()
    {
        using TemporaryDirectory copy = TemporaryDirectory.CopyOf("llama");
        Shard(copy);
        string index = copy.File("model.safetensors.index.json");
        File.WriteAllText(index, File.ReadAllText(index).Replace("\"model.norm.weight\": \"second", "\"model.norm.weight\": \"first"));
        Assert.Contains("first.safetensors: tensor model.norm.weight is not in it", Assert.Throws<WeightException>(() => Check(copy.Path)).Message);
    }

    [Theory]
    [InlineData("""{"weight_map": {"a": "../a.safetensors"}}""", "weight_map.a is \"../a.safetensors\"; it must be the name of a file beside the index")]
    [InlineData("""{"weight_map": {"a": 1}}""", "weight_map.a is 1")]
    [InlineData("""{"weight_map": []}""", "there is no weight_map object")]
    [InlineData("{", "not valid JSON")]
    public void A_damaged_index_is_refused(string json, string expected) =>
        Assert.Contains(expected, Assert.Throws<WeightException>(() => WeightReader.ParseIndex(Encoding.UTF8.GetBytes(json), "index")).Message);

    [Fact]
    public void Tensors_that_no_layer_uses_are_told()
    {
        using TemporaryDirectory copy = TemporaryDirectory.CopyOf("qwen2");
        string warning = "";
        using DeviceContext meta = DeviceContext.CreateMeta();
        // As Llama, the q, k and v biases of Qwen2 would be lost without a word.
        var options = new ModelLoadOptions { JsonModelOverrideArgs = """{"architectures": ["LlamaForCausalLM"]}""", Warning = text => warning = text };
        ModelLoader.Load(meta, copy.Path, options).Dispose();
        Assert.StartsWith("9 tensors of the checkpoint are not used by LlamaForCausalLM: model.layers.0.self_attn.k_proj.bias, ", warning);
    }

    /// <summary>Splits model.safetensors into first.safetensors and second.safetensors with an index.</summary>
    internal static void Shard(TemporaryDirectory directory)
    {
        string path = directory.File("model.safetensors");
        byte[] file = File.ReadAllBytes(path);
        SafetensorsEntry[] entries = [.. SafetensorsHeader.Read(path).Values.OrderBy(e => e.Begin)];
        var map = new List<string>();
        foreach ((string name, SafetensorsEntry[] part) in new[] { ("first", entries[..7]), ("second", entries[7..]) })
        {
            var header = new List<string>();
            var data = new List<byte>();
            foreach (SafetensorsEntry entry in part)
            {
                header.Add($$"""{{JsonSerializer.Serialize(entry.Name)}}: {"dtype": "{{entry.DType}}", "shape": {{entry.ShapeText}}, "data_offsets": [{{data.Count}}, {{data.Count + entry.NumBytes}}]}""");
                data.AddRange(file.AsSpan((int)entry.Begin, (int)entry.NumBytes));
                map.Add($"{JsonSerializer.Serialize(entry.Name)}: \"{name}.safetensors\"");
            }
            byte[] json = Encoding.UTF8.GetBytes("{" + string.Join(", ", header) + "}");
            File.WriteAllBytes(directory.File(name + ".safetensors"), [.. BitConverter.GetBytes((long)json.Length), .. json, .. data]);
        }
        File.Delete(path);
        File.WriteAllText(directory.File("model.safetensors.index.json"), """{"metadata": {}, "weight_map": {""" + string.Join(", ", map) + "}}");
    }
}
