using System.Text.Json;
using SgLang.Protocol.Json;

namespace SgLang.Protocol;

/// <summary>Body of /v1/embeddings.</summary>
public sealed record EmbeddingRequest
{
    public PromptInput? Input { get; set; }
    public string? Model { get; set; }

    /// <summary>"float" or "base64".</summary>
    public string? EncodingFormat { get; set; }

    /// <summary>Only the model's own number.</summary>
    public int? Dimensions { get; set; }
    public string? User { get; set; }
    public string? Rid { get; set; }

    /// <summary>Counts with --enable-priority-scheduling.</summary>
    public int? Priority { get; set; }
    public OneOrMany<string>? ExtraKey { get; set; }
    public OneOrMany<string>? CacheSalt { get; set; }

    // Not served: a value other than null is refused.
    public JsonElement? LoraPath { get; set; }

    public void RefuseUnsupported() => Unsupported.Refuse("lora_path", LoraPath);
}
