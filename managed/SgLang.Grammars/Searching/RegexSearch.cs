using System.Text;
using SgLang.Core;
using SgLang.Grammars.Regex;

namespace SgLang.Grammars.Searching;

/// <summary>
/// Finds the first match of a regular expression in a growing text: the one that ends first, and of those the one that begins first. All
/// threads of the automaton advance together (R. Pike's simulation, keeping of each state the earliest beginning), so that a character costs
/// at most the number of states, whatever the expression.
/// </summary>
/// <remarks>
/// Since the match that ends first is taken, greedy and lazy quantifiers find the same, and `$`, which holds wherever the text has come to,
/// changes nothing. `^` is the beginning of the text.
/// </remarks>
public sealed class RegexSearch : ITextSearch
{
    /// <summary>Enough for `.{0,2000}`, and what one character may cost.</summary>
    public const int MaxStates = 4096;

    private readonly SearchProgram _program;
    private readonly Stack<int> _pending = new();

    // The threads, in order of their beginnings; a state occurs once, with its earliest.
    private (int State, int Beginning)[] _threads;
    private (int State, int Beginning)[] _before;
    private int _numThreads;

    // A state is among the threads when its mark is this.
    private readonly int[] _marks;
    private int _mark = 1;
    private int _position; // units taken
    private int _matchBeginning = -1;
    private char _high; // the first half of a surrogate pair, or 0

    private RegexSearch(string pattern, SearchProgram program)
    {
        Pattern = pattern;
        _program = program;
        _threads = new (int, int)[program.Count];
        _before = new (int, int)[program.Count];
        _marks = new int[program.Count];
    }

    public string Pattern { get; }

    public int PendingLength
    {
        get
        {
            if (_matchBeginning >= 0) return _position - _matchBeginning;
            int half = _high == 0 ? 0 : 1;
            return Math.Max(half, _numThreads == 0 ? 0 : _position - _threads[0].Beginning);
        }
    }

    /// <exception cref="GrammarException">It is wrong, not supported, too large, or matches the empty text, which is found before anything is written.</exception>
    public static RegexSearch Create(string pattern)
    {
        var program = new SearchProgram(RegexParser.ParseSearched(pattern), MaxStates);
        var search = new RegexSearch(pattern, program);
        search.Follow(program.Start, 0, 0);
        return search.FindAccepted() ? throw new GrammarException("it matches the empty text, which is found before anything is written") : search;
    }

    public bool Take(char unit)
    {
        _position++;
        if (char.IsHighSurrogate(unit) && _high == 0)
        {
            _high = unit;
            return false;
        }
        int character = unit, length = 1;
        if (_high != 0)
        {
            bool isPair = char.IsLowSurrogate(unit);
            if (!isPair && Advance(_high, _position - 2, _position - 1)) return true;
            if (isPair) (character, length) = (char.ConvertToUtf32(_high, unit), 2);
            _high = '\0';
        }
        return Advance(character, _position - length, _position);
    }

    /// <summary>Takes the character of [from, to).</summary>
    private bool Advance(int character, int from, int to)
    {
        // It begins later than all others, so it goes last.
        Follow(_program.Start, from, from);
        (_before, _threads) = (_threads, _before);
        int numBefore = _numThreads;
        _numThreads = 0;
        _mark++;
        foreach ((int state, int beginning) in _before.AsSpan(0, numBefore))
        {
            SearchState of = _program[state];
            if (of.Set!.Contains(character)) Follow(of.Next, beginning, to);
        }
        return FindAccepted();
    }

    private bool FindAccepted()
    {
        foreach ((int state, int beginning) in _threads.AsSpan(0, _numThreads))
        {
            if (_program[state].Kind != SearchStateKind.Accept) continue;
            _matchBeginning = beginning;
            return true;
        }
        return false;
    }

    /// <summary>Adds threads for a state and all that are reached from it without a character, where there are none.</summary>
    private void Follow(int state, int beginning, int position)
    {
        Visit(state);
        while (_pending.TryPop(out int visited))
        {
            SearchState of = _program[visited];
            switch (of.Kind)
            {
                case SearchStateKind.Split:
                    Visit(of.Other);
                    Visit(of.Next);
                    break;
                case SearchStateKind.Begin:
                    if (position == 0) Visit(of.Next);
                    break;
                default:
                    _threads[_numThreads++] = (visited, beginning);
                    break;
            }
        }

        void Visit(int reached)
        {
            if (reached < 0 || _marks[reached] == _mark) return;
            _marks[reached] = _mark;
            _pending.Push(reached);
        }
    }
}
