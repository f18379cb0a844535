namespace SgLang.Grammars.Matching;

/// <summary>The match of one output: which tokens may come next, given those that came. Not thread safe.</summary>
public sealed class GrammarMatcher
{
    private readonly CompiledGrammar _grammar;
    private readonly int[] _stopTokenIds;
    private readonly int _beginsAfter;
    private Configuration _configuration;
    private bool _hasBegun;
    private bool _isFirst = true;

    /// <param name="stopTokenIds">Tokens that end an output; allowed only where the grammar is complete, whatever they would write.</param>
    /// <param name="beginsAfter">Everything is allowed until this token has come, which the grammar does not see; -1: from the first token on.</param>
    public GrammarMatcher(CompiledGrammar grammar, int[] stopTokenIds, int beginsAfter = -1)
    {
        _grammar = grammar;
        _stopTokenIds = stopTokenIds;
        _beginsAfter = beginsAfter;
        _hasBegun = beginsAfter < 0;
        _configuration = grammar.Start;
    }

    /// <summary>A stop token has ended the output.</summary>
    public bool IsFinished { get; private set; }

    /// <summary>The text so far is a whole match.</summary>
    public bool IsComplete => _hasBegun && _configuration.Accepts;

    /// <summary>A token came that the grammar does not allow; nothing may follow.</summary>
    public bool IsDead => _configuration.IsDead;

    /// <summary>Nothing but a stop token may come next.</summary>
    public bool MustStop => IsComplete && _configuration.Items.Length == 0;

    /// <summary>False when everything is allowed, and then the mask is not written.</summary>
    /// <param name="mask">[MaskWords] one bit a token.</param>
    public bool TryFillMask(Span<int> mask)
    {
        if (!_hasBegun || IsFinished) return false;
        System.Runtime.InteropServices.MemoryMarshal.Cast<uint, int>(_grammar.MaskOf(_configuration, _isFirst)).CopyTo(mask);
        foreach (int id in _stopTokenIds)
        {
            if (IsComplete) mask[id >> 5] |= 1 << (id & 31);
            else mask[id >> 5] &= ~(1 << (id & 31));
        }
        return true;
    }

    /// <summary>Takes the next token of the output. Tokens after the end change nothing.</summary>
    public void Accept(int tokenId)
    {
        if (IsFinished) return;
        bool isFirst = _isFirst;
        _isFirst = false;
        if (!_hasBegun)
        {
            _hasBegun = tokenId == _beginsAfter;
            return;
        }
        if (IsComplete && _stopTokenIds.AsSpan().Contains(tokenId)) IsFinished = true;
        else _configuration = _grammar.Advance(_configuration, tokenId, isFirst);
    }
}
