using System.Text.Json;
using SgLang.Runtime;

namespace SgLang.Models;

/// <summary>What config.json and generation_config.json say about a decoder, with every default applied. Sizes are counts of values.</summary>
public sealed record ModelConfig
{
    public const string OverrideOption = "--json-model-override-args";

    /// <summary>The first one selects the family.</summary>
    public required IReadOnlyList<string> Architectures { get; init; }
    public required string ModelType { get; init; }
    public required int VocabSize { get; init; }
    public required int HiddenSize { get; init; }

    /// <summary>Width of the dense MLP.</summary>
    public required int IntermediateSize { get; init; }
    public required int NumLayers { get; init; }
    public required int NumHeads { get; init; }
    public required int NumKvHeads { get; init; }

    /// <summary>Not always HiddenSize / NumHeads.</summary>
    public required int HeadDim { get; init; }
    public required double RmsNormEps { get; init; }
    public required string HiddenAct { get; init; }

    /// <summary>lm_head is the embedding matrix.</summary>
    public required bool TieWordEmbeddings { get; init; }

    /// <summary>Biases on q, k, v and o.</summary>
    public required bool AttentionBias { get; init; }
    public required bool MlpBias { get; init; }
    public required RopeConfig Rope { get; init; }

    /// <summary>Longest sequence the model is made for, after rope scaling.</summary>
    public required int ContextLength { get; init; }

    /// <summary>Keys a token sees, itself included; null where attention is full or use_sliding_window is false.</summary>
    public required int? SlidingWindow { get; init; }

    /// <summary>Per layer, from layer_types: true for a sliding one. Empty where the file has no such list.</summary>
    public required IReadOnlyList<bool> SlidingLayers { get; init; }

    /// <summary>Without layer_types, layers before this one attend in full (Qwen2 with use_sliding_window).</summary>
    public required int FirstSlidingLayer { get; init; }

    /// <summary>0 for a dense model.</summary>
    public required int NumExperts { get; init; }
    public required int NumExpertsPerToken { get; init; }
    public required int MoeIntermediateSize { get; init; }

    /// <summary>0 where there is no shared expert.</summary>
    public required int SharedExpertIntermediateSize { get; init; }
    public required bool NormTopKProb { get; init; }

    /// <summary>Layer i is sparse when (i + 1) is a multiple of this and i is not in <see cref="MlpOnlyLayers"/>.</summary>
    public required int DecoderSparseStep { get; init; }
    public required IReadOnlyList<int> MlpOnlyLayers { get; init; }

    public required int? BosTokenId { get; init; }

    /// <summary>Union of config.json and generation_config.json, in order of appearance.</summary>
    public required IReadOnlyList<int> EosTokenIds { get; init; }

    /// <summary>Type the checkpoint is stored in: F32, F16 or BF16.</summary>
    public required DType StoredDType { get; init; }
    public required GenerationConfig Generation { get; init; }

    public string Architecture => Architectures[0];

    /// <summary>Keys a token of this layer sees, itself included; 0 means all.</summary>
    public int WindowOfLayer(int layer)
    {
        if (SlidingWindow is not { } window) return 0;
        bool slides = SlidingLayers.Count > 0 ? SlidingLayers[layer] : layer >= FirstSlidingLayer;
        return slides ? window : 0;
    }

    public bool IsSparseLayer(int layer) => NumExperts > 0 && (layer + 1) % DecoderSparseStep == 0 && !MlpOnlyLayers.Contains(layer);

    /// <summary>Reads a model directory. Throws <see cref="ModelConfigException"/>.</summary>
    /// <param name="overrides">JSON object whose keys replace those of config.json.</param>
    public static ModelConfig Load(string directory, string overrides = "{}")
    {
        if (!Directory.Exists(directory))
            throw new ModelConfigException($"--model-path is '{directory}'; there is no such directory. It must be a Hugging Face model directory with a config.json.");
        string path = Path.Combine(directory, "config.json");
        if (!File.Exists(path)) throw new ModelConfigException($"--model-path is '{directory}'; it has no config.json. It must be a Hugging Face model directory.");
        string generationPath = Path.Combine(directory, "generation_config.json");
        return Parse(File.ReadAllText(path), File.Exists(generationPath) ? File.ReadAllText(generationPath) : "{}", overrides, path, generationPath);
    }

    /// <summary>The pure part of <see cref="Load"/>; paths are for messages.</summary>
    public static ModelConfig Parse(string json, string generationJson = "{}", string overrides = "{}", string path = "config.json",
                                    string generationPath = "generation_config.json")
    {
        using JsonDocument root = ParseObject(json, path);
        using JsonDocument generation = ParseObject(generationJson, generationPath);
        using JsonDocument changes = ParseObject(overrides, OverrideOption);
        try
        {
            var config = new ConfigSection("");
            config.Add(root.RootElement, path);
            // Multimodal checkpoints nest the language model.
            if (root.RootElement.TryGetProperty("text_config", out JsonElement text) && text.ValueKind == JsonValueKind.Object) config.Add(text, path);
            if (root.RootElement.TryGetProperty("architectures", out JsonElement architectures)) config.Set("architectures", architectures, path);
            config.Add(changes.RootElement, OverrideOption);
            var defaults = new ConfigSection("");
            defaults.Add(generation.RootElement, generationPath);
            return Parse(config, defaults);
        }
        // A string with half a surrogate pair.
        catch (InvalidOperationException e)
        {
            throw new ModelConfigException($"{path}: not valid JSON: {e.Message}", e);
        }
    }

    private static ModelConfig Parse(ConfigSection c, ConfigSection generation)
    {
        if (c.Texts("architectures") is not { Count: > 0 } architectures) throw c.Missing("architectures");
        if (c.Section("quantization_config") is { } quantization)
            throw new ModelConfigException($"config.json: quantization_config.quant_method is {quantization.Text("quant_method") ?? "absent"}; quantised checkpoints are not supported. Use the bfloat16, float16 or float32 checkpoint.");

        int hidden = c.Int("hidden_size");
        int heads = c.Int("num_attention_heads");
        int kvHeads = c.Int("num_key_value_heads", heads);
        if (heads % kvHeads != 0) throw c.Invalid("num_key_value_heads", $"a divisor of num_attention_heads, {heads}");
        if (!c.Has("head_dim") && hidden % heads != 0) throw c.Invalid("hidden_size", $"a multiple of num_attention_heads, {heads}, where head_dim is absent");
        int headDim = c.Int("head_dim", hidden / heads);
        int layers = c.Int("num_hidden_layers");
        int maxPositions = c.Int("max_position_embeddings", 2048);
        RopeConfig rope = RopeConfig.Parse(c, headDim, maxPositions);
        int vocabulary = c.Int("vocab_size");
        int experts = c.Has("num_experts") ? c.Int("num_experts", minimum: 0) : c.Int("num_local_experts", 0, minimum: 0);
        int expertsPerToken = experts > 0 ? c.Int("num_experts_per_tok") : 0;
        if (expertsPerToken > experts) throw c.Invalid("num_experts_per_tok", $"at most the number of experts, {experts}");
        int intermediate = c.Int("intermediate_size", c.Has("moe_intermediate_size") ? c.Int("moe_intermediate_size") : null);
        IReadOnlyList<string> layerTypes = c.Texts("layer_types");
        if (layerTypes.Count > 0 && layerTypes.Count < layers) throw c.Invalid("layer_types", $"a list of {layers} entries, one for each of num_hidden_layers");
        foreach (string type in layerTypes)
            if (type is not ("full_attention" or "sliding_attention")) throw c.Invalid("layer_types", "a list of full_attention and sliding_attention");
        bool useWindow = c.Bool("use_sliding_window", true);

        return new ModelConfig
        {
            Architectures = architectures,
            ModelType = c.Text("model_type") ?? "",
            VocabSize = vocabulary,
            HiddenSize = hidden,
            IntermediateSize = intermediate,
            NumLayers = layers,
            NumHeads = heads,
            NumKvHeads = kvHeads,
            HeadDim = headDim,
            RmsNormEps = c.Positive("rms_norm_eps", 1e-6),
            HiddenAct = c.Text("hidden_act") ?? "silu",
            TieWordEmbeddings = c.Bool("tie_word_embeddings", false),
            AttentionBias = c.Bool("attention_bias", false),
            MlpBias = c.Bool("mlp_bias", false),
            Rope = rope,
            ContextLength = ContextLengthOf(c, rope),
            SlidingWindow = useWindow && c.Has("sliding_window") ? c.Int("sliding_window") : null,
            SlidingLayers = [.. layerTypes.Select(type => type == "sliding_attention")],
            // The key exists in configurations that have no switch too, and means nothing there.
            FirstSlidingLayer = c.Has("use_sliding_window") ? c.Int("max_window_layers", 0, minimum: 0) : 0,
            NumExperts = experts,
            NumExpertsPerToken = expertsPerToken,
            MoeIntermediateSize = c.Int("moe_intermediate_size", intermediate),
            SharedExpertIntermediateSize = c.Int("shared_expert_intermediate_size", 0, minimum: 0),
            NormTopKProb = c.Bool("norm_topk_prob", false),
            DecoderSparseStep = c.Int("decoder_sparse_step", 1),
            MlpOnlyLayers = c.Ints("mlp_only_layers"),
            BosTokenId = c.Ints("bos_token_id") is [int bos, ..] ? bos : null,
            EosTokenIds = [.. c.Ints("eos_token_id").Union(generation.Ints("eos_token_id"))],
            StoredDType = StoredDTypeOf(c),
            Generation = GenerationConfig.Parse(generation),
        };
    }

    /// <summary>The first key present, times the rope factor unless the file says what the length was before scaling.</summary>
    private static int ContextLengthOf(ConfigSection c, RopeConfig rope)
    {
        int length = 2048;
        foreach (string key in (ReadOnlySpan<string>)["max_sequence_length", "seq_length", "max_seq_len", "model_max_length", "max_position_embeddings"])
        {
            if (!c.Has(key)) continue;
            length = c.Int(key);
            break;
        }
        ConfigSection? scaling = c.Section("rope_parameters") ?? c.Section("rope_scaling");
        bool isScaled = rope.Type is RopeType.Linear or RopeType.Dynamic or RopeType.Yarn && scaling?.Has("original_max_position_embeddings") != true;
        return isScaled ? checked((int)(length * rope.Factor)) : length;
    }

    private static DType StoredDTypeOf(ConfigSection c)
    {
        string key = c.Has("dtype") ? "dtype" : "torch_dtype";
        return c.Text(key) switch
        {
            null or "bfloat16" => DType.BF16,
            "float16" or "half" => DType.F16,
            "float32" or "float" => DType.F32,
            _ => throw c.Invalid(key, "one of bfloat16, float16, float32"),
        };
    }

    private static JsonDocument ParseObject(string json, string source)
    {
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(json, new JsonDocumentOptions { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip });
        }
        catch (JsonException e)
        {
            throw new ModelConfigException($"{source}: not valid JSON: {e.Message}", e);
        }
        if (document.RootElement.ValueKind == JsonValueKind.Object) return document;
        string kind = document.RootElement.ValueKind.ToString().ToLowerInvariant();
        document.Dispose();
        throw new ModelConfigException($"{source}: holds a JSON {kind}; it must be a JSON object.");
    }
}
