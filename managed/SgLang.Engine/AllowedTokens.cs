using SgLang.Grammars.Matching;
using SgLang.Runtime;
using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>
/// The token masks of a step's requests that have a grammar. Matches advance on the rank's thread, which knows each step's ids before it
/// samples the next: so steps may be planned ahead of their results, and masks are made while the device computes.
/// </summary>
internal sealed class AllowedTokens(DeviceContext device, int maxRows) : IDisposable
{
    private readonly Match?[] _matchOfRow = new Match?[maxRows];
    private PinnedBuffer? _host;
    private DeviceBuffer? _memory;
    private int _words;
    private int _numRows;
    private bool _isUsed;

    /// <summary>Begins a step of <paramref name="numRows"/> rows of logits.</summary>
    public void Begin(int numRows, int vocabularySize)
    {
        _numRows = numRows;
        _words = (vocabularySize + 31) / 32;
        _isUsed = false;
    }

    /// <summary>The match of a request that has a grammar, with its mask in row <paramref name="i"/>.</summary>
    /// <param name="row">The request's row in the device's table of last tokens.</param>
    /// <param name="position">Tokens generated before this step.</param>
    public GrammarMatcher Fill(int i, int row, Request request, int position, CompiledGrammar grammar)
    {
        Match match = MatchOf(row, request, position, grammar);
        if (!_isUsed) UseBuffers();
        match.Matcher.TryFillMask(Mask(i));
        return match.Matcher;
    }

    /// <summary>I32 [rows, words] on the device, or none when no request of the step has a grammar.</summary>
    public Tensor Send()
    {
        if (!_isUsed) return default;
        Tensor masks = _memory!.AsTensor(DType.I32, _numRows, _words);
        device.Copy(masks, _host!.AsTensor(DType.I32, _numRows, _words));
        return masks;
    }

    /// <summary>The id drawn for a request that has a grammar.</summary>
    public void Drawn(int row, int id) => _matchOfRow[row]!.Take(id);

    public void Dispose()
    {
        _memory?.Dispose();
        _host?.Dispose();
    }

    private Span<int> Mask(int i) => _host!.AsSpan<int>().Slice(i * _words, _words);

    /// <summary>Rows without a grammar allow everything.</summary>
    private void UseBuffers()
    {
        _isUsed = true;
        long bytes = (long)_numRows * _words * sizeof(int);
        if (_host is null || _host.NumBytes < bytes)
        {
            Dispose();
            // Batches grow one by one; memory grows by halves.
            long room = Math.Min((long)maxRows * _words * sizeof(int), bytes * 2);
            _host = new PinnedBuffer(device, room);
            _memory = new DeviceBuffer(device, room, "token masks");
        }
        _host.AsSpan<int>()[..(_numRows * _words)].Fill(-1);
    }

    /// <summary>A row changes hands, and a retracted request comes back, only when none of its results is in flight: its output is safe to read.</summary>
    private Match MatchOf(int row, Request request, int position, CompiledGrammar grammar)
    {
        if (_matchOfRow[row] is { } match && match.IsOf(request, position)) return match;
        var begun = new Match(request, new GrammarMatcher(grammar, ((ISampledRequest)request.Owner!).StopTokenIds, request.SamplingParams.GrammarBeginsAfter));
        foreach (int id in request.OutputIds[..position]) begun.Take(id);
        return _matchOfRow[row] = begun;
    }

    private sealed class Match(Request owner, GrammarMatcher matcher)
    {
        // A token drawn in vain before a retraction may differ from the one that takes its place after it.
        private readonly int _numRetractions = owner.NumRetractions;
        private int _numTokens;

        public GrammarMatcher Matcher { get; } = matcher;

        public bool IsOf(Request request, int position) => request == owner && position == _numTokens && request.NumRetractions == _numRetractions;

        public void Take(int id)
        {
            Matcher.Accept(id);
            _numTokens++;
        }
    }
}
