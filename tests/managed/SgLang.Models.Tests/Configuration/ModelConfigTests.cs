using SgLang.Runtime;

namespace SgLang.Models.Tests;

public class ModelConfigTests
{
    private const string Minimal = """
        {"architectures": ["LlamaForCausalLM"], "hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4, "num_hidden_layers": 2, "vocab_size": 100}
        """;

    [Fact]
    public void Absent_keys_take_their_defaults()
    {
        ModelConfig config = ModelConfig.Parse(Minimal);
        Assert.Equal(4, config.NumKvHeads);
        Assert.Equal(16, config.HeadDim);
        Assert.Equal(2048, config.ContextLength);
        Assert.Equal(10000, config.Rope.Theta);
        Assert.Equal(RopeType.Default, config.Rope.Type);
        Assert.False(config.TieWordEmbeddings);
        Assert.False(config.AttentionBias);
        Assert.Null(config.SlidingWindow);
        Assert.Empty(config.EosTokenIds);
        Assert.Equal(DType.BF16, config.StoredDType);
    }

    [Fact]
    public void Head_dim_null_is_absent_and_given_is_not_the_quotient()
    {
        Assert.Equal(16, ModelConfig.Parse(Minimal, overrides: """{"head_dim": null}""").HeadDim);
        Assert.Equal(32, ModelConfig.Parse(Minimal, overrides: """{"head_dim": 32}""").HeadDim);
    }

    [Fact]
    public void Both_rope_spellings_mean_the_same()
    {
        ModelConfig older = ModelConfig.Parse(Minimal, overrides: """
            {"rope_theta": 5e5, "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 512}}
            """);
        ModelConfig newer = ModelConfig.Parse(Minimal, overrides: """
            {"rope_parameters": {"rope_theta": 5e5, "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 512}}
            """);
        Assert.Equal(older.Rope, newer.Rope);
        Assert.Equal(5e5, newer.Rope.Theta);
        Assert.Equal(512, newer.Rope.OriginalMaxPositions);
    }

    [Theory]
    [InlineData("""{"max_position_embeddings": 4096}""", 4096)]
    [InlineData("""{"max_position_embeddings": 4096, "model_max_length": 1000}""", 1000)]
    [InlineData("""{"max_position_embeddings": 4096, "rope_scaling": {"type": "linear", "factor": 4}}""", 16384)]
    [InlineData("""{"max_position_embeddings": 4096, "rope_scaling": {"type": "dynamic", "factor": 2.5}}""", 10240)]
    [InlineData("""{"max_position_embeddings": 32768, "rope_scaling": {"type": "yarn", "factor": 4}}""", 131072)]
    [InlineData("""{"max_position_embeddings": 131072, "rope_scaling": {"type": "yarn", "factor": 4, "original_max_position_embeddings": 32768}}""", 131072)]
    [InlineData("""{"max_position_embeddings": 131072, "rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 8192}}""", 131072)]
    public void Context_length_follows_the_rope_factor(string overrides, int expected) =>
        Assert.Equal(expected, ModelConfig.Parse(Minimal, overrides: overrides).ContextLength);

    [Theory]
    [InlineData("""{"sliding_window": 48}""", 48, 48)]
    [InlineData("""{"sliding_window": null}""", 0, 0)]
    [InlineData("""{"sliding_window": 48, "use_sliding_window": false}""", 0, 0)]
    [InlineData("""{"sliding_window": 48, "use_sliding_window": true, "max_window_layers": 1}""", 0, 48)]
    [InlineData("""{"sliding_window": 48, "use_sliding_window": true, "layer_types": ["sliding_attention", "full_attention"]}""", 48, 0)]
    public void A_window_applies_to_the_layers_that_slide(string overrides, int first, int second)
    {
        ModelConfig config = ModelConfig.Parse(Minimal, overrides: overrides);
        Assert.Equal(first, config.WindowOfLayer(0));
        Assert.Equal(second, config.WindowOfLayer(1));
    }

    [Fact]
    public void End_tokens_are_the_union_of_both_files()
    {
        Assert.Equal([7, 3], ModelConfig.Parse(Minimal, """{"eos_token_id": [3, 7]}""", """{"eos_token_id": 7}""").EosTokenIds);
        Assert.Equal([3], ModelConfig.Parse(Minimal, """{"eos_token_id": 3}""").EosTokenIds);
    }

    [Fact]
    public void Generation_defaults_are_read()
    {
        GenerationConfig generation = ModelConfig.Parse(Minimal, """{"temperature": 0.6, "top_p": 0.95, "top_k": 20, "do_sample": true}""").Generation;
        Assert.Equal(new GenerationConfig { Temperature = 0.6, TopP = 0.95, TopK = 20, DoSample = true }, generation);
    }

    [Fact]
    public void Overrides_replace_whole_keys()
    {
        ModelConfig config = ModelConfig.Parse(
            Minimal.Replace("\"vocab_size\"", "\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}, \"vocab_size\""),
            overrides: """{"rope_scaling": {"type": "yarn", "factor": 4}, "num_hidden_layers": 1}""");
        Assert.Equal(RopeType.Yarn, config.Rope.Type);
        Assert.Equal(1, config.NumLayers);
    }

    [Fact]
    public void A_nested_language_model_keeps_the_outer_architecture()
    {
        ModelConfig config = ModelConfig.Parse("""
            {"architectures": ["Outer"], "hidden_size": 8, "text_config": {"architectures": ["Inner"], "hidden_size": 64, "intermediate_size": 128,
             "num_attention_heads": 4, "num_hidden_layers": 2, "vocab_size": 100}}
            """);
        Assert.Equal("Outer", config.Architecture);
        Assert.Equal(64, config.HiddenSize);
    }

    [Fact]
    public void Sparse_layers_follow_step_and_exceptions()
    {
        ModelConfig config = ModelConfig.Parse(Minimal, overrides: """
            {"num_hidden_layers": 4, "num_experts": 8, "num_experts_per_tok": 2, "decoder_sparse_step": 2, "mlp_only_layers": [3]}
            """);
        Assert.Equal([false, true, false, false], Enumerable.Range(0, 4).Select(config.IsSparseLayer));
        Assert.Equal(8, ModelConfig.Parse(Minimal, overrides: """{"num_local_experts": 8, "num_experts_per_tok": 2}""").NumExperts);
    }

    [Theory]
    [InlineData("""{"hidden_size": "big"}""", "--json-model-override-args: hidden_size is \"big\"; it must be an integer of at least 1.")]
    [InlineData("""{"num_hidden_layers": 0}""", "--json-model-override-args: num_hidden_layers is 0; it must be an integer of at least 1.")]
    [InlineData("""{"num_hidden_layers": 1.5}""", "num_hidden_layers is 1.5; it must be an integer")]
    [InlineData("""{"num_key_value_heads": 3}""", "num_key_value_heads is 3; it must be a divisor of num_attention_heads, 4")]
    [InlineData("""{"tie_word_embeddings": "yes"}""", "tie_word_embeddings is \"yes\"; it must be true or false.")]
    [InlineData("""{"rope_scaling": {"rope_type": "longrope"}}""", "rope_scaling.rope_type is \"longrope\"; it must be one of default, linear, dynamic, llama3, yarn.")]
    [InlineData("""{"rope_scaling": {"rope_type": "llama3", "factor": 8}}""", "rope_scaling.low_freq_factor is missing.")]
    [InlineData("""{"rope_scaling": {"rope_type": "linear", "factor": -1}}""", "rope_scaling.factor is -1; it must be a positive number.")]
    [InlineData("""{"rope_scaling": 5}""", "rope_scaling is 5; it must be an object.")]
    [InlineData("""{"torch_dtype": "int4"}""", "torch_dtype is \"int4\"; it must be one of bfloat16, float16, float32.")]
    [InlineData("""{"eos_token_id": "x"}""", "eos_token_id is \"x\"; it must be an integer or a list of integers.")]
    [InlineData("""{"architectures": null}""", "architectures is missing.")]
    [InlineData("""{"quantization_config": {"quant_method": "awq"}}""", "quant_method is awq; quantised checkpoints are not supported.")]
    [InlineData("""{"layer_types": ["full_attention"]}""", "layer_types is [\"full_attention\"]; it must be a list of 2 entries")]
    [InlineData("""{"partial_rotary_factor": 0.2}""", "head_dim 16 * partial_rotary_factor 0.2 gives 3 rotary dimensions")]
    [InlineData("[1]", "--json-model-override-args: holds a JSON array; it must be a JSON object.")]
    [InlineData("{", "--json-model-override-args: not valid JSON")]
    public void Errors_name_place_key_and_allowed_values(string overrides, string expected)
    {
        var error = Assert.Throws<ModelConfigException>(() => ModelConfig.Parse(Minimal, overrides: overrides));
        Assert.Contains(expected, error.Message);
    }

    [Fact]
    public void A_missing_key_names_the_file()
    {
        var error = Assert.Throws<ModelConfigException>(() => ModelConfig.Parse("""{"architectures": ["LlamaForCausalLM"]}""", path: "/m/config.json"));
        Assert.Equal("/m/config.json: hidden_size is missing.", error.Message);
    }

    [Fact]
    public void A_missing_directory_or_file_is_said_plainly()
    {
        Assert.Contains("there is no such directory", Assert.Throws<ModelConfigException>(() => ModelConfig.Load("/nowhere")).Message);
        using var empty = new TemporaryDirectory();
        Assert.Contains("it has no config.json", Assert.Throws<ModelConfigException>(() => ModelConfig.Load(empty.Path)).Message);
    }

    [Fact]
    public void The_checkpoints_of_this_repository_are_understood()
    {
        Assert.Equal([4095, 4092], ModelConfig.Load(TestFiles.Demo).EosTokenIds);
        Assert.True(ModelConfig.Load(TestFiles.Demo).TieWordEmbeddings);
        Assert.Equal(1e6, ModelConfig.Load(TestFiles.Model("qwen3")).Rope.Theta);
        Assert.Equal(RopeType.Llama3, ModelConfig.Load(TestFiles.Model("llama3-rope")).Rope.Type);
        Assert.Equal(48, ModelConfig.Load(TestFiles.Model("mistral")).WindowOfLayer(0));
        Assert.Equal(8, ModelConfig.Load(TestFiles.Model("qwen3-moe")).NumExperts);
    }
}
