using System.Text.Json;
using SgLang.Protocol.Json;

namespace SgLang.Protocol;

/// <summary>Body of /generate.</summary>
public sealed record GenerateRequest
{
    public OneOrMany<string>? Text { get; set; }
    public OneOrMany<int[]>? InputIds { get; set; }
    public JsonElement? InputEmbeds { get; set; }
    public OneOrMany<SamplingParamsBody>? SamplingParams { get; set; }
    public bool? Stream { get; set; }
    public OneOrMany<string>? Rid { get; set; }
    public OneOrMany<bool>? ReturnLogprob { get; set; }

    /// <summary>First prompt position with log-probabilities; -1 means output tokens only.</summary>
    public OneOrMany<int>? LogprobStartLen { get; set; }
    public OneOrMany<int>? TopLogprobsNum { get; set; }

    /// <summary>Ids to score at every position whatever their rank.</summary>
    public OneOrMany<int[]>? TokenIdsLogprob { get; set; }
    public bool? ReturnTextInLogprobs { get; set; }
    public bool? ReturnPromptTokenIds { get; set; }
    public bool? LogMetrics { get; set; }
    public bool? NoLogs { get; set; }

    /// <summary>Counts with --enable-priority-scheduling.</summary>
    public int? Priority { get; set; }

    /// <summary>Counts with --schedule-policy routing-key.</summary>
    public string? RoutingKey { get; set; }

    /// <summary>Prompts share cached prefixes with those of the same key only; one, or one for each prompt.</summary>
    public OneOrMany<string>? ExtraKey { get; set; }

    // Not served: a value other than null, false or the only one possible is refused.
    public bool? ReturnHiddenStates { get; set; }
    public JsonElement? ImageData { get; set; }
    public JsonElement? VideoData { get; set; }
    public JsonElement? AudioData { get; set; }
    public JsonElement? LoraPath { get; set; }
    public JsonElement? SessionParams { get; set; }
    public JsonElement? CustomLogitProcessor { get; set; }
    public JsonElement? BootstrapHost { get; set; }
    public JsonElement? BootstrapRoom { get; set; }

    /// <summary>The replica that is to take the request; the older name below means the same.</summary>
    public int? RoutedDpRank { get; set; }
    public int? DataParallelRank { get; set; }

    public void RefuseUnsupported()
    {
        Unsupported.Refuse("input_embeds", InputEmbeds);
        Unsupported.Refuse("return_hidden_states", ReturnHiddenStates);
        Unsupported.Refuse("image_data", ImageData);
        Unsupported.Refuse("video_data", VideoData);
        Unsupported.Refuse("audio_data", AudioData);
        Unsupported.Refuse("lora_path", LoraPath);
        Unsupported.Refuse("session_params", SessionParams);
        Unsupported.Refuse("custom_logit_processor", CustomLogitProcessor);
        Unsupported.Refuse("bootstrap_host", BootstrapHost);
        Unsupported.Refuse("bootstrap_room", BootstrapRoom);
    }
}
