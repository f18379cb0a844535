using System.Text.Json;
using SgLang.Protocol.Json;

namespace SgLang.Protocol;

/// <summary>Body of /encode.</summary>
public sealed record EncodeRequest
{
    public OneOrMany<string>? Text { get; set; }
    public OneOrMany<int[]>? InputIds { get; set; }
    public OneOrMany<string>? Rid { get; set; }
    public bool? LogMetrics { get; set; }
    public bool? NoLogs { get; set; }

    /// <summary>Counts with --enable-priority-scheduling.</summary>
    public int? Priority { get; set; }
    public int? RoutedDpRank { get; set; }
    public int? DataParallelRank { get; set; }
    public OneOrMany<string>? ExtraKey { get; set; }

    // Not served: a value other than null is refused.
    public JsonElement? ImageData { get; set; }
    public JsonElement? InputEmbeds { get; set; }
    public JsonElement? LoraPath { get; set; }

    public void RefuseUnsupported()
    {
        Unsupported.Refuse("image_data", ImageData);
        Unsupported.Refuse("input_embeds", InputEmbeds);
        Unsupported.Refuse("lora_path", LoraPath);
    }
}

/// <summary>One answer of /encode.</summary>
public sealed record EncodeResponse(IReadOnlyList<float> Embedding, MetaInfo MetaInfo);
