namespace SgLang.Bench.SendOne;

/// <summary>What send-one is asked to do; names are those of its flags.</summary>
public sealed record SendOneOptions
{
    public const string DefaultPrompt = "Human: Give me a fully functional FastAPI server. Show the python code.\n\nAssistant:";

    public required Uri BaseUrl { get; init; }
    public string? ApiKey { get; init; }

    /// <summary>Prompts in the one request.</summary>
    public int BatchSize { get; init; } = 1;

    /// <summary>Begin each prompt of the batch differently.</summary>
    public bool DifferentPrompts { get; init; }

    /// <summary>Send this many random ids instead of a prompt.</summary>
    public int? RandomInputLength { get; init; }
    public int RandomInputVocabularySize { get; init; } = 32768;

    /// <summary>Of sampling and of random ids.</summary>
    public int? Seed { get; init; }
    public double Temperature { get; init; }
    public int MaxNewTokens { get; init; } = 512;
    public double FrequencyPenalty { get; init; }
    public double PresencePenalty { get; init; }

    /// <summary>Ask for JSON.</summary>
    public bool Json { get; init; }
    public bool ReturnLogprob { get; init; }
    public string? Prompt { get; init; }
    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>Show the text as it comes.</summary>
    public bool Stream { get; init; }
}
