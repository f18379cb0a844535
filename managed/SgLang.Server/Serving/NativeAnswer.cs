using System.Text;
using SgLang.Core;
using SgLang.Engine;
using SgLang.Protocol;
using SgLang.Protocol.Sse;
using SgLang.Server.Monitoring;

namespace SgLang.Server.Serving;

/// <summary>Numbers of a generation at the moment an answer is written.</summary>
/// <param name="Times">Null on a server without metrics.</param>
internal readonly record struct GenerationProgress(
    int PromptTokens, int CompletionTokens, int CachedTokens, int NumRetractions, double ElapsedSeconds, RequestTimes? Times = null)
{
    public static GenerationProgress Of(Generation generation, RequestTimes? times) => OfMiddle(generation) with { ElapsedSeconds = generation.Elapsed.TotalSeconds, Times = times };

    /// <summary>Before the end, when no times are told.</summary>
    public static GenerationProgress OfMiddle(Generation generation) => new(generation.PromptTokens, generation.CompletionTokens, generation.CachedTokens, generation.NumRetractions, 0);
}

/// <summary>Gathers the chunks of one generation and makes the bodies of /generate from them.</summary>
/// <param name="isIncremental">Bodies carry what is new since the last one instead of everything.</param>
/// <param name="reasoning">Null where nothing is reasoning.</param>
internal sealed class NativeAnswer(
    NativePlan plan, GenerationRequest request, int index, string weightVersion, Func<int, string>? decodeToken, bool isIncremental, ReasoningCounter? reasoning = null)
{
    private readonly StringBuilder _text = new();
    private readonly List<int> _ids = [];
    private readonly List<LogprobEntry> _outputLogprobs = [];
    private readonly List<LogprobEntry[]?> _outputTop = [];
    private readonly List<LogprobEntry[]?> _outputChosen = [];
    private readonly List<LogprobEntry> _inputLogprobs = [];
    private readonly List<LogprobEntry[]?> _inputTop = [];
    private readonly List<LogprobEntry[]?> _inputChosen = [];
    private int _numOutputLogprobs;
    private EventTemplate? _template;
    private (int Cached, int Retractions) _templateNumbers;

    public FinishReason? Finish { get; private set; }
    private int ReasoningTokens => reasoning?.Tokens ?? 0;
    public string Text => _text.ToString();
    public IReadOnlyList<int> OutputIds => _ids;

    public void Add(GenerationChunk chunk)
    {
        _text.Append(chunk.Text);
        _ids.AddRange(chunk.TokenIds);
        reasoning?.Add(chunk.TokenIds);
        Finish = chunk.Finish ?? Finish;
        if (request.Logprobs is null) return;
        foreach (TokenLogprob entry in chunk.Logprobs) _outputLogprobs.Add(Entry(entry));
        AddAll(_outputTop, chunk.TopLogprobs);
        AddAll(_outputChosen, chunk.ChosenLogprobs);
        foreach (TokenLogprob entry in chunk.InputLogprobs) _inputLogprobs.Add(Entry(entry));
        AddAll(_inputTop, chunk.InputTopLogprobs);
        AddAll(_inputChosen, chunk.InputChosenLogprobs);
        _numOutputLogprobs += chunk.Logprobs.Count;
    }

    /// <summary>Adds a chunk and writes it as the next event of a stream.</summary>
    public void Write(SseWriter writer, GenerationChunk chunk, in GenerationProgress progress)
    {
        // What an incremental stream sends at once need not be gathered.
        if (isIncremental && chunk.Finish is null && request.Logprobs is null && _ids.Count == 0 && PrepareTemplate(progress).Fits(chunk.Text.Length, chunk.TokenIds.Count + 2))
        {
            reasoning?.Add(chunk.TokenIds);
            Fill(writer, plan.ReturnText ? chunk.Text : null, chunk.TokenIds, progress);
            return;
        }
        Add(chunk);
        WriteTo(writer, progress);
    }

    /// <summary>Writes the next event of a stream.</summary>
    public void WriteTo(SseWriter writer, in GenerationProgress progress)
    {
        if (Finish is not null || request.Logprobs is not null || !PrepareTemplate(progress).Fits(_text.Length, _ids.Count + 2))
        {
            writer.Write(ToResponse(progress), ProtocolJsonContext.Default.GenerateResponse);
            return;
        }
        Fill(writer, plan.ReturnText ? _text.ToString() : null, _ids, progress);
        if (isIncremental) ForgetSent();
    }

    /// <summary>The whole answer, or the next event of a stream.</summary>
    public GenerateResponse ToResponse(in GenerationProgress progress)
    {
        var response = new GenerateResponse
        {
            Text = plan.ReturnText ? _text.ToString() : null,
            OutputIds = [.. _ids],
            Index = plan.Stream && plan.IsList ? index : null,
            PromptTokenIds = plan.ReturnPromptTokenIds ? request.InputIds : null,
            MetaInfo = new MetaInfo
            {
                Id = request.Rid,
                FinishReason = Finish is { } finish ? FinishReasonBody.From(finish, progress.CompletionTokens) : null,
                PromptTokens = progress.PromptTokens,
                CompletionTokens = progress.CompletionTokens,
                CachedTokens = progress.CachedTokens,
                ReasoningTokens = ReasoningTokens,
                NumRetractions = progress.NumRetractions,
                WeightVersion = weightVersion,
                E2eLatency = Finish is null ? null : progress.ElapsedSeconds,
            },
        };
        if (Finish is not null) progress.Times?.WriteTo(response.MetaInfo);
        if (request.Logprobs is { } logprobs)
        {
            MetaInfo meta = response.MetaInfo;
            meta.InputTokenLogprobs = [.. _inputLogprobs];
            meta.OutputTokenLogprobs = [.. _outputLogprobs];
            meta.OutputTokenLogprobsLength = _numOutputLogprobs;
            if (logprobs.TopCount > 0)
            {
                meta.InputTopLogprobs = [.. _inputTop];
                meta.OutputTopLogprobs = [.. _outputTop];
            }
            if (logprobs.TokenIds.Length > 0)
            {
                meta.InputTokenIdsLogprobs = [.. _inputChosen];
                meta.OutputTokenIdsLogprobs = [.. _outputChosen];
            }
        }
        if (isIncremental) ForgetSent();
        return response;
    }

    /// <summary>Of the events in the middle of a stream without log-probabilities; made again when one of the numbers that seldom change has.</summary>
    private EventTemplate PrepareTemplate(in GenerationProgress progress)
    {
        (int, int) numbers = (progress.CachedTokens, progress.NumRetractions);
        if (_template is not null && _templateNumbers == numbers) return _template;
        _templateNumbers = numbers;
        var sample = new GenerateResponse
        {
            Text = plan.ReturnText ? "" : null,
            Index = plan.Stream && plan.IsList ? index : null,
            PromptTokenIds = plan.ReturnPromptTokenIds ? request.InputIds : null,
            MetaInfo = new MetaInfo
            {
                Id = request.Rid,
                PromptTokens = progress.PromptTokens,
                CachedTokens = progress.CachedTokens,
                NumRetractions = progress.NumRetractions,
                WeightVersion = weightVersion,
            },
        };
        ReadOnlySpan<string> fields = ["text", "output_ids", "completion_tokens", "reasoning_tokens"];
        return _template = EventTemplate.Create(sample, ProtocolJsonContext.Default.GenerateResponse, plan.ReturnText ? fields : fields[1..]);
    }

    /// <param name="text">Null where events have none.</param>
    private void Fill(SseWriter writer, string? text, IReadOnlyList<int> ids, in GenerationProgress progress)
    {
        EventTemplate.Filler filler = writer.Begin(_template!);
        if (text is not null) filler = filler.Text(text);
        filler.Numbers(ids).Number(progress.CompletionTokens).Number(ReasoningTokens).End();
    }

    private void ForgetSent()
    {
        _text.Clear();
        _ids.Clear();
        _outputLogprobs.Clear();
        _outputTop.Clear();
        _outputChosen.Clear();
    }

    private void AddAll(List<LogprobEntry[]?> all, IReadOnlyList<IReadOnlyList<TokenLogprob>?> positions)
    {
        foreach (IReadOnlyList<TokenLogprob>? entries in positions) all.Add(entries is null ? null : Entries(entries));
    }

    private LogprobEntry Entry(TokenLogprob entry) =>
        new(entry.Logprob, entry.TokenId, plan.ReturnTextInLogprobs && decodeToken is not null ? decodeToken(entry.TokenId) : null);

    private LogprobEntry[] Entries(IReadOnlyList<TokenLogprob> entries)
    {
        var converted = new LogprobEntry[entries.Count];
        for (int i = 0; i < converted.Length; i++) converted[i] = Entry(entries[i]);
        return converted;
    }
}
