using SgLang.Core;
using SgLang.Models.Weights;
using SgLang.Runtime;

namespace SgLang.Models;

public sealed record ModelLoadOptions
{
    /// <summary>Auto: float32 for float32 checkpoints, else bfloat16.</summary>
    public ModelDType DType { get; init; }
    public LoadFormat LoadFormat { get; init; }

    /// <summary>Whose part of the model is loaded.</summary>
    public RankPlace Place { get; init; } = RankPlace.Single;

    /// <summary>Whether expert-parallel ranks exchange tokens.</summary>
    public ExpertExchangeMode ExpertExchange { get; init; }

    /// <summary>JSON object whose keys replace those of config.json.</summary>
    public string JsonModelOverrideArgs { get; init; } = "{}";

    /// <summary>Longest sequence that will be run; null means the configuration's context length.</summary>
    public int? MaxPositions { get; init; }

    /// <summary>Called with (bytes done, bytes in all) while weights load.</summary>
    public Action<long, long>? Progress { get; init; }

    /// <summary>Told of what looks wrong but does not stop the load, such as tensors that no layer uses.</summary>
    public Action<string>? Warning { get; init; }
}

/// <summary>From a Hugging Face model directory to a model on a device.</summary>
public static class ModelLoader
{
    /// <summary>
    /// Parses the configuration, checks every tensor's name and shape, and only then allocates and loads. Throws
    /// <see cref="ModelConfigException"/>, <see cref="WeightException"/> or <see cref="OutOfDeviceMemoryException"/>.
    /// </summary>
    public static IModel Load(DeviceContext device, string directory, ModelLoadOptions options)
    {
        ModelConfig config = ModelConfig.Load(directory, options.JsonModelOverrideArgs);
        return Load(device, directory, config, options);
    }

    /// <summary>As above with a configuration already parsed; <see cref="ModelLoadOptions.JsonModelOverrideArgs"/> is not read.</summary>
    public static IModel Load(DeviceContext device, string directory, ModelConfig config, ModelLoadOptions options)
    {
        ModelRegistry.Check(config);
        DType dtype = ResolveDType(config, options.DType);
        int maxPositions = options.MaxPositions ?? config.ContextLength;
        long done = 0, total = 0;
        Action<long>? report = options.Progress is { } progress ? bytes => progress(done += bytes, total) : null;

        // Checked on a meta device first, so that a bad checkpoint fails at once and not after gigabytes.
        using IWeightSource weights = options.LoadFormat == LoadFormat.Dummy ? new DummyWeights(report) : WeightReader.Open(directory, report);
        Check(RankPlace.Single);
        if (weights is WeightReader reader) WarnOfUnused(reader, config, options.Warning);
        if (options.Place.WorldSize > 1)
        {
            weights.ResetBytesChecked();
            Check(options.Place);
        }
        total = weights.BytesChecked;

        options.Progress?.Invoke(0, total);
        var builder = new ModelBuilder(device, config, dtype, weights, maxPositions, options.Place, options.ExpertExchange);
        try
        {
            return ModelRegistry.Build(builder);
        }
        catch
        {
            builder.Dispose();
            throw;
        }

        void Check(RankPlace place)
        {
            using DeviceContext meta = DeviceContext.CreateMeta();
            using var check = new ModelBuilder(meta, config, dtype, weights, maxPositions, place);
            ModelRegistry.Build(check);
        }
    }

    public static DType ResolveDType(ModelConfig config, ModelDType dtype) => dtype switch
    {
        ModelDType.BFloat16 => DType.BF16,
        ModelDType.Float32 => DType.F32,
        _ => config.StoredDType == DType.F32 ? DType.F32 : DType.BF16,
    };

    private static void WarnOfUnused(WeightReader reader, ModelConfig config, Action<string>? warning)
    {
        if (warning is null) return;
        var unused = new List<string>();
        foreach (string name in reader.UnusedTensors())
        {
            // Derived tables that old exporters stored, and the copy of a tied embedding.
            if (name.Contains("rotary_emb.") || (config.TieWordEmbeddings && name == "lm_head.weight")) continue;
            unused.Add(name);
        }
        if (unused.Count > 0)
            warning($"{unused.Count} tensors of the checkpoint are not used by {config.Architecture}: {string.Join(", ", unused.Take(5))}{(unused.Count > 5 ? ", ..." : "")}");
    }
}
