using System.Text;
using SgLang.Core;
using SgLang.Grammars;
using SgLang.Grammars.Searching;
using SgLang.Tokenization;

namespace SgLang.Engine;

/// <summary>
/// Turns a request's tokens into the text its user sees: detokenized, cut at stop strings and patterns, and without the matched stop token. Not
/// thread safe; linear in time.
/// </summary>
internal sealed class TextAssembler
{
    private readonly StreamDetokenizer? _detokenizer;
    private StopMatcher? _stops;
    private readonly bool _keepStop;
    private readonly StringBuilder _ready = new();

    /// <exception cref="RequestRejectedException">Status 400: a pattern is wrong, not supported or too large.</exception>
    public TextAssembler(Tokenizer? tokenizer, SamplingParams sampling)
    {
        _keepStop = sampling.NoStopTrim;
        if (tokenizer is null) return;
        _detokenizer = tokenizer.CreateStream(sampling.SkipSpecialTokens);
        if (sampling.HasTextStop) _stops = new StopMatcher(sampling.Stop, _keepStop, [.. sampling.StopRegex.Select(CreateSearch)]);
    }

    /// <summary>The stop string or pattern that ended the text, or null.</summary>
    public string? MatchedStop => _stops?.Matched;

    public bool HasText => _ready.Length > 0;

    /// <summary>Takes the next token. <paramref name="finish"/> is the engine's verdict on it, null for a token in the middle.</summary>
    public void Append(int id, FinishReason? finish)
    {
        if (_detokenizer is null || MatchedStop is not null) return;
        // Length is decided before stop strings (spec/scheduler.md 11): the last token allowed cannot complete a match.
        if (finish is { Kind: FinishKind.Length }) Release();
        bool isTrimmedStop = finish is { Kind: FinishKind.StopToken } && !_keepStop;
        if (!isTrimmedStop) Add(_detokenizer.Append(id));
    }

    /// <summary>Releases what was held back; call once, after the last token.</summary>
    public void End()
    {
        if (_detokenizer is null || MatchedStop is not null) return;
        Add(_detokenizer.Finish());
        if (MatchedStop is null) Release();
    }

    /// <summary>The text that became certain since the last call.</summary>
    public string Take()
    {
        if (_ready.Length == 0) return "";
        string text = _ready.ToString();
        _ready.Clear();
        return text;
    }

    private void Add(string text)
    {
        if (text.Length > 0) _ready.Append(_stops is null ? text : _stops.Append(text));
    }

    private static RegexSearch CreateSearch(string pattern)
    {
        try
        {
            return RegexSearch.Create(pattern);
        }
        catch (GrammarException error)
        {
            throw new RequestRejectedException($"stop_regex '{pattern}': {error.Message}.", 400);
        }
    }

    /// <summary>Ends the search for stop strings.</summary>
    private void Release()
    {
        if (_stops is null) return;
        _ready.Append(_stops.Finish());
        _stops = null;
    }
}
