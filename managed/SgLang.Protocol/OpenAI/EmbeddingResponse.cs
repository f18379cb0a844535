using SgLang.Protocol.Json;

namespace SgLang.Protocol;

/// <summary>Answer of /v1/embeddings.</summary>
public sealed record EmbeddingResponse
{
    public string Object { get; init; } = "list";
    public required IReadOnlyList<EmbeddingItem> Data { get; init; }
    public required string Model { get; init; }
    public required Usage Usage { get; init; }
}

public sealed record EmbeddingItem(int Index, EmbeddingVector Embedding)
{
    public string Object { get; init; } = "embedding";
}
