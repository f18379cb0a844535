using System.Text;
using SgLang.Core;
using SgLang.Engine;
using SgLang.Protocol;
using SgLang.Protocol.Json;

namespace SgLang.Server.Serving;

/// <summary>Gathers the chunks of one choice: everything for a whole answer, or since the last <see cref="TakeDelta"/> for a stream.</summary>
/// <param name="reasoning">Null where nothing is reasoning.</param>
internal sealed class OpenAIAnswer(OpenAIPlan plan, OpenAIItem item, Func<int, string>? decodeToken, ReasoningCounter? reasoning = null)
{
    private readonly StringBuilder _text = new(item.EchoText);
    private readonly List<TokenLogprob> _logprobs = [];
    private readonly List<IReadOnlyList<TokenLogprob>?> _top = [];

    public FinishReason? Finish { get; private set; }

    /// <summary>Tokens so far that are reasoning.</summary>
    public int ReasoningTokens => reasoning?.Tokens ?? 0;
    public string Text => _text.ToString();

    public string? FinishName => Finish?.Kind switch
    {
        null => null,
        FinishKind.StopToken or FinishKind.StopString => "stop",
        FinishKind.Length => "length",
        _ => "abort",
    };

    public IdOrText? MatchedStop => Finish switch
    {
        { Kind: FinishKind.StopToken } finish => finish.TokenId,
        { Kind: FinishKind.StopString } finish => finish.Text ?? "",
        _ => null,
    };

    public void Add(GenerationChunk chunk)
    {
        _text.Append(chunk.Text);
        reasoning?.Add(chunk.TokenIds);
        Finish = chunk.Finish ?? Finish;
        if (plan.TopLogprobs is null) return;
        if (item.EchoText is not null) AddScored(chunk.InputLogprobs, chunk.InputTopLogprobs);
        AddScored(chunk.Logprobs, chunk.TopLogprobs);
    }

    /// <summary>True when there is something to send; an event with no text and no scores would only be noise.</summary>
    public bool HasDelta => _text.Length > 0 || _logprobs.Count > 0;

    /// <summary>Text since the last call. The scores of the same span are read before.</summary>
    public string TakeDelta()
    {
        string delta = _text.ToString();
        _text.Clear();
        _logprobs.Clear();
        _top.Clear();
        return delta;
    }

    public CompletionLogprobs? CompletionLogprobs()
    {
        if (plan.TopLogprobs is null) return null;
        return new CompletionLogprobs
        {
            TextOffset = [.. Enumerable.Repeat(-1, _logprobs.Count)],
            TokenLogprobs = [.. _logprobs.Select(entry => entry.Logprob)],
            Tokens = [.. _logprobs.Select(entry => TokenText(entry.TokenId))],
            TopLogprobs = plan.TopLogprobs > 0 ? [.. _top.Select(TopByText)] : [],
        };
    }

    public ChatLogprobs? ChatLogprobs()
    {
        if (plan.TopLogprobs is null || _logprobs.Count == 0) return null;
        var content = new ChatTokenLogprob[_logprobs.Count];
        for (int i = 0; i < content.Length; i++)
        {
            string token = TokenText(_logprobs[i].TokenId);
            content[i] = new ChatTokenLogprob
            {
                Token = token,
                Bytes = Utf8(token),
                Logprob = Finite(_logprobs[i].Logprob),
                TopLogprobs = plan.TopLogprobs > 0 && i < _top.Count && _top[i] is { } top ? [.. top.Select(ChatTop)] : [],
            };
        }
        return new ChatLogprobs { Content = content };
    }

    private void AddScored(IReadOnlyList<TokenLogprob> entries, IReadOnlyList<IReadOnlyList<TokenLogprob>?> top)
    {
        for (int i = 0; i < entries.Count; i++)
        {
            _logprobs.Add(entries[i]);
            _top.Add(i < top.Count ? top[i] : null);
        }
    }

    /// <summary>Tokens with the same text (halves of a character) share a key; the likeliest comes first and stays.</summary>
    private Dictionary<string, float>? TopByText(IReadOnlyList<TokenLogprob>? entries)
    {
        if (entries is null) return null;
        var byText = new Dictionary<string, float>(entries.Count);
        foreach (TokenLogprob entry in entries) byText.TryAdd(TokenText(entry.TokenId), Finite(entry.Logprob));
        return byText;
    }

    private ChatTopLogprob ChatTop(TokenLogprob entry)
    {
        string token = TokenText(entry.TokenId);
        return new ChatTopLogprob { Token = token, Bytes = Utf8(token), Logprob = Finite(entry.Logprob) };
    }

    private string TokenText(int id) => decodeToken is not null ? decodeToken(id) : $"token_id:{id}";

    /// <summary>JSON has no minus infinity; OpenAI's own service writes -9999 for a token that could not occur.</summary>
    private static float Finite(float? logprob) => logprob is { } value && float.IsFinite(value) ? value : -9999f;

    private static int[] Utf8(string text) => [.. Encoding.UTF8.GetBytes(text).Select(b => (int)b)];
}

/// <summary>Counts tokens for `usage`. Each prompt counts once, however many choices continue it.</summary>
internal static class UsageCounter
{
    public static Usage Count(OpenAIPlan plan, IReadOnlyList<Generation> generations, bool cacheReport, int reasoning = 0)
    {
        int prompt = 0, completion = 0, cached = 0;
        for (int i = 0; i < generations.Count; i++)
        {
            completion += generations[i].CompletionTokens;
            if (i > 0 && plan.Items[i].PromptIndex == plan.Items[i - 1].PromptIndex) continue;
            prompt += generations[i].PromptTokens;
            cached += generations[i].CachedTokens;
        }
        return Create(prompt, completion, cached, cacheReport, reasoning);
    }

    public static Usage Count(Generation generation, bool cacheReport, int reasoning = 0) =>
        Create(generation.PromptTokens, generation.CompletionTokens, generation.CachedTokens, cacheReport, reasoning);

    /// <summary>Of requests that generate nothing.</summary>
    public static Usage OfPrompts(IReadOnlyList<Generation> generations, bool cacheReport) =>
        Create(generations.Sum(generation => generation.PromptTokens), 0, generations.Sum(generation => generation.CachedTokens), cacheReport);

    private static Usage Create(int prompt, int completion, int cached, bool cacheReport, int reasoning = 0) => new()
    {
        PromptTokens = prompt,
        CompletionTokens = completion,
        TotalTokens = prompt + completion,
        ReasoningTokens = reasoning,
        PromptTokensDetails = cacheReport ? new PromptTokensDetails(cached) : null,
    };
}
