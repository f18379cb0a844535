using System.Text.Json.Serialization;

namespace SgLang.Protocol;

public sealed record ModelList(IReadOnlyList<ModelCard> Data)
{
    public string Object { get; init; } = "list";
}

public sealed record ModelCard
{
    public required string Id { get; init; }
    public string Object { get; init; } = "model";
    public required long Created { get; init; }
    public string OwnedBy { get; init; } = "sglang";
    public required string Root { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Parent { get; init; }
    public required int MaxModelLen { get; init; }
}
