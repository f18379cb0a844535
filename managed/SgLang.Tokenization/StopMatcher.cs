using System.Text;
using SgLang.Core;

namespace SgLang.Tokenization;

/// <summary>
/// Finds stop strings and patterns in a growing text and holds back a tail that may be the beginning of one. Linear in time; not thread safe.
/// </summary>
/// <remarks>
/// An Aho-Corasick automaton over UTF-16 units. Its state is the longest tail of the text that begins some stop string; that tail, or a longer
/// one that a pattern may begin with, is exactly what is held back, and nothing is where matches are shown anyway. Empty stop strings are
/// ignored. The match that ends first wins.
/// </remarks>
public sealed class StopMatcher
{
    private readonly bool _keepMatch;
    private readonly IReadOnlyList<ITextSearch> _searches;
    private readonly List<State> _states = [new State { Depth = 0 }];
    private readonly StringBuilder _held = new();
    private int _state;
    private bool _isFinished;

    /// <param name="searches">At their beginnings; the matcher's own from now on.</param>
    public StopMatcher(IReadOnlyList<string> stops, bool keepMatch, IReadOnlyList<ITextSearch>? searches = null)
    {
        _keepMatch = keepMatch;
        _searches = searches ?? [];
        foreach (string stop in stops)
        {
            Add(stop);
        }

        LinkFailures();
    }

    /// <summary>The stop string or pattern found (of several ending at the same place the one that begins first), or null.</summary>
    public string? Matched { get; private set; }

    /// <summary>
    /// Takes more text; returns what may be shown. After a match <see cref="Matched"/> is set, the returned text ends before the match (or
    /// after it with keepMatch), and nothing more is accepted.
    /// </summary>
    public string Append(string text)
    {
        if (Matched is not null || _isFinished)
        {
            return "";
        }

        if (_states.Count == 1 && _searches.Count == 0)
        {
            return text;
        }

        for (int i = 0; i < text.Length; i++)
        {
            if (MatchEndingWith(text[i]) is { } length)
            {
                _held.Append(text, 0, i + 1);
                return Release(_keepMatch ? 0 : length);
            }
        }

        _held.Append(text);
        return Release(_keepMatch ? 0 : PendingLength());
    }

    /// <summary>The held-back tail, when the generation ended without a match.</summary>
    public string Finish()
    {
        _isFinished = true;
        return Matched is null ? Release(0) : "";
    }

    /// <summary>All of the text but its last <paramref name="kept"/> characters.</summary>
    private string Release(int kept)
    {
        int count = _held.Length - kept;
        if (count == 0)
        {
            return "";
        }

        string text = _held.ToString(0, count);
        _held.Remove(0, count);
        return text;
    }

    /// <summary>Takes a unit; the length of the match that ends with it, or null.</summary>
    private int? MatchEndingWith(char unit)
    {
        _state = Step(_state, unit);
        int length = 0;
        if (_states[_state].Longest is { } stop)
        {
            (Matched, length) = (stop, stop.Length);
        }

        foreach (ITextSearch search in _searches)
        {
            if (search.Take(unit) && search.PendingLength > length)
            {
                (Matched, length) = (search.Pattern, search.PendingLength);
            }
        }

        return Matched is null ? null : length;
    }

    private int PendingLength()
    {
        int length = _states[_state].Depth;
        foreach (ITextSearch search in _searches)
        {
            length = Math.Max(length, search.PendingLength);
        }

        return length;
    }

    private int Step(int state, char c)
    {
        while (true)
        {
            if (_states[state].Children.TryGetValue(c, out int next))
            {
                return next;
            }

            if (state == 0)
            {
                return 0;
            }

            state = _states[state].Failure;
        }
    }

    private void Add(string stop)
    {
        int state = 0;
        foreach (char c in stop)
        {
            if (!_states[state].Children.TryGetValue(c, out int next))
            {
                next = _states.Count;
                _states.Add(new State { Depth = _states[state].Depth + 1 });
                _states[state].Children.Add(c, next);
            }

            state = next;
        }

        if (stop.Length > 0)
        {
            _states[state].Longest = stop;
        }
    }

    /// <summary>Breadth first: a state's failure is shallower, so it is complete when needed.</summary>
    private void LinkFailures()
    {
        var queue = new Queue<int>([0]);
        while (queue.TryDequeue(out int state))
        {
            foreach ((char c, int child) in _states[state].Children)
            {
                _states[child].Failure = state == 0 ? 0 : Step(_states[state].Failure, c);
                _states[child].Longest ??= _states[_states[child].Failure].Longest;
                queue.Enqueue(child);
            }
        }
    }

    private sealed class State
    {
        public required int Depth { get; init; }
        public Dictionary<char, int> Children { get; } = [];
        public int Failure { get; set; }

        /// <summary>The longest stop string that ends here.</summary>
        public string? Longest { get; set; }
    }
}
