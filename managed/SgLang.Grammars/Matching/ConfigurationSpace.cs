using SgLang.Grammars.Automata;

namespace SgLang.Grammars.Matching;

/// <summary>Makes configurations and steps between them, each computed once. Not thread safe.</summary>
internal sealed class ConfigurationSpace
{
    /// <summary>More places at once than this and the grammar is too ambiguous to follow; the match dies.</summary>
    private const int MaxItems = 4096;

    /// <summary>Kept for reuse; past this all are forgotten and found anew.</summary>
    private const int MaxKept = 20_000;

    private readonly PushdownAutomaton _automaton;
    private readonly StackFrame _bottom = new(-1, null, 0);
    private readonly StackFrame _unknown = new(-1, null, 1);
    private readonly Dictionary<(int, long), StackFrame> _frames = [];
    private readonly Dictionary<Key, Configuration> _configurations = [];
    private readonly HashSet<(int State, long Stack)> _visited = [];
    private readonly Stack<(int State, StackFrame Stack)> _pending = new();
    private readonly List<(int State, StackFrame Stack)> _items = [];
    private long _nextFrame = 2;

    public ConfigurationSpace(PushdownAutomaton automaton)
    {
        _automaton = automaton;
        Dead = new Configuration([], false, false, automaton.NumClasses);
        _pending.Push((automaton.Start, _bottom));
        Start = Close();
    }

    public Configuration Start { get; }
    public Configuration Dead { get; }

    /// <summary>How often everything was forgotten.</summary>
    public int Generation { get; private set; }

    /// <summary>A match that stands in one state of a rule whose caller is not known.</summary>
    public Configuration Within(int state) => Intern([(state, _unknown)], false, false);

    public Configuration Step(Configuration from, byte value)
    {
        if (from.Items.Length == 0) return Dead;
        int byteClass = _automaton.ClassOf(value);
        if (from.Next[byteClass] is { } known) return known;
        foreach ((int state, StackFrame stack) in from.Items)
            if (_automaton.Next(state, byteClass) is var next and >= 0) _pending.Push((next, stack));
        Configuration to = _pending.Count == 0 ? Dead : Close();
        from.Next[byteClass] = to;
        return to;
    }

    /// <summary>Follows calls and returns from what is pending until only states that take bytes are left.</summary>
    private Configuration Close()
    {
        _visited.Clear();
        _items.Clear();
        bool accepts = false, escapes = false;
        while (_pending.TryPop(out (int State, StackFrame Stack) place))
        {
            (int state, StackFrame stack) = place;
            if (!_visited.Add((state, stack.Id))) continue;
            if (_visited.Count > MaxItems)
            {
                _pending.Clear();
                return Dead;
            }
            if (_automaton.TakesBytes(state)) _items.Add(place);
            foreach ((int rule, int target) in _automaton.Calls(state))
                _pending.Push((_automaton.RuleStart(rule), _automaton.IsEnd(target) ? stack : Frame(target, stack)));
            if (!_automaton.Accepts(state)) continue;
            if (stack.Parent is { } parent) _pending.Push((stack.ReturnState, parent));
            else if (stack == _bottom) accepts = true;
            else escapes = true;
        }
        _items.Sort(static (a, b) => a.State != b.State ? a.State.CompareTo(b.State) : a.Stack.Id.CompareTo(b.Stack.Id));
        return Intern([.. _items], accepts, escapes);
    }

    private Configuration Intern((int, StackFrame)[] items, bool accepts, bool escapes)
    {
        var key = new Key(items, accepts, escapes);
        if (_configurations.TryGetValue(key, out Configuration? known)) return known;
        if (_configurations.Count >= MaxKept) Forget();
        var made = new Configuration(items, accepts, escapes, _automaton.NumClasses);
        _configurations.Add(key, made);
        return made;
    }

    private StackFrame Frame(int returnState, StackFrame parent)
    {
        if (_frames.TryGetValue((returnState, parent.Id), out StackFrame? known)) return known;
        var made = new StackFrame(returnState, parent, _nextFrame++);
        _frames.Add((returnState, parent.Id), made);
        return made;
    }

    /// <summary>Matches under way keep their own configurations; new ones no longer meet them, which costs time and nothing else.</summary>
    private void Forget()
    {
        _configurations.Clear();
        _frames.Clear();
        Generation++;
    }

    private readonly struct Key((int State, StackFrame Stack)[] items, bool accepts, bool escapes) : IEquatable<Key>
    {
        private readonly (int State, StackFrame Stack)[] _items = items;
        private readonly bool _accepts = accepts;
        private readonly bool _escapes = escapes;

        public bool Equals(Key other)
        {
            if (_accepts != other._accepts || _escapes != other._escapes || _items.Length != other._items.Length) return false;
            for (int i = 0; i < _items.Length; i++)
                if (_items[i].State != other._items[i].State || _items[i].Stack != other._items[i].Stack) return false;
            return true;
        }

        public override bool Equals(object? obj) => obj is Key other && Equals(other);

        public override int GetHashCode()
        {
            var hash = new HashCode();
            hash.Add(_accepts);
            hash.Add(_escapes);
            foreach ((int state, StackFrame stack) in _items)
            {
                hash.Add(state);
                hash.Add(stack.Id);
            }
            return hash.ToHashCode();
        }
    }
}
