using SgLang.Core;
using SgLang.Grammars.Automata;

namespace SgLang.Grammars.Matching;

/// <summary>
/// A grammar ready to be matched against the tokens of one vocabulary. Shared by all requests that use it; thread safe. Masks are computed
/// when a match first stands in a configuration, and kept.
/// </summary>
/// <remarks>
/// A mask is made of two parts (the split is that of XGrammar, Dong et al. 2024). For a state of a rule, most tokens are decided by the rule
/// alone: they stay inside it or cannot occur. That part is walked once a state over the whole token tree. Tokens that leave the rule
/// depend on the stack; they are few, and are tried against the configuration itself.
/// </remarks>
public sealed class CompiledGrammar
{
    /// <summary>Masks kept, about 16 KiB each for a vocabulary of 128k.</summary>
    private const int MaxKeptMasks = 2048;

    private readonly Lock _gate = new();
    private readonly ConfigurationSpace _space;
    private readonly TokenVocabulary _vocabulary;
    private readonly Dictionary<int, StateMask> _stateMasks = [];
    private readonly Configuration[] _path;
    private readonly bool[] _hasEscaped;
    private readonly int[] _pathNode;
    private uint[]? _firstMask;
    private int _numMasks;
    private int _masksSince;

    internal CompiledGrammar(PushdownAutomaton automaton, TokenVocabulary vocabulary)
    {
        _vocabulary = vocabulary;
        NumStates = automaton.NumStates;
        _space = new ConfigurationSpace(automaton);
        int depth = Math.Max(vocabulary.Tokens.MaxDepth, vocabulary.FirstTokens.MaxDepth) + 1;
        _path = new Configuration[depth];
        _hasEscaped = new bool[depth];
        _pathNode = new int[depth];
    }

    public int NumStates { get; }
    public int MaskWords => _vocabulary.MaskWords;

    internal Configuration Start => _space.Start;

    /// <summary>Where a token leads; the dead configuration when the grammar does not allow it.</summary>
    internal Configuration Advance(Configuration from, int tokenId, bool isFirst)
    {
        lock (_gate)
        {
            ReadOnlySpan<byte> bytes = _vocabulary.BytesOf(tokenId, isFirst);
            if (bytes.IsEmpty) return _space.Dead;
            foreach (byte value in bytes) from = _space.Step(from, value);
            return from;
        }
    }

    /// <summary>Bit masks of the tokens that continue the match; read-only. Stop tokens are the matcher's business.</summary>
    internal uint[] MaskOf(Configuration configuration, bool isFirst)
    {
        lock (_gate)
        {
            if (isFirst && _vocabulary.FirstTokens != _vocabulary.Tokens) return _firstMask ??= FirstMask(configuration);
            if (configuration.Mask is { } known) return known;
            if (_masksSince != _space.Generation || _numMasks > MaxKeptMasks)
            {
                // Masks live with their configurations and state masks with the automaton; both are bounded together.
                if (_numMasks > MaxKeptMasks) _stateMasks.Clear();
                _numMasks = 0;
                _masksSince = _space.Generation;
            }
            _numMasks++;
            return configuration.Mask = Mask(configuration);
        }
    }

    private uint[] Mask(Configuration configuration)
    {
        uint[] mask = new uint[MaskWords];
        var undecided = new List<int>();
        int last = -1;
        foreach ((int state, _) in configuration.Items)
        {
            // Items are in the order of their states.
            if (state == last) continue;
            last = state;
            StateMask known = StateMaskOf(state);
            for (int i = 0; i < mask.Length; i++) mask[i] |= known.Allowed[i];
            undecided.AddRange(known.Undecided);
        }
        undecided.Sort();
        Try(undecided, configuration, mask);
        return mask;
    }

    /// <summary>Tokens of the nodes (rising) are allowed where the configuration survives their bytes.</summary>
    private void Try(List<int> nodes, Configuration start, uint[] mask)
    {
        TokenTrie trie = _vocabulary.Tokens;
        Array.Fill(_pathNode, -1);
        foreach (int node in nodes)
            if (!At(node).IsDead) Allow(trie.Tokens(node), mask);

        // The path to the node before is kept, and shares most of its beginning with this one.
        Configuration At(int node)
        {
            int depth = trie.Depth(node);
            if (_pathNode[depth] == node) return _path[depth];
            Configuration before = depth == 0 ? start : At(trie.Parent(node));
            _pathNode[depth] = node;
            return _path[depth] = _space.Step(before, trie.Byte(node));
        }
    }

    private StateMask StateMaskOf(int state)
    {
        if (_stateMasks.TryGetValue(state, out StateMask? known)) return known;
        uint[] allowed = new uint[MaskWords];
        var undecided = new List<int>();
        TokenTrie trie = _vocabulary.Tokens;
        Configuration start = _space.Within(state);
        for (int node = 0; node < trie.NumNodes;)
        {
            int depth = trie.Depth(node);
            Configuration before = depth == 0 ? start : _path[depth - 1];
            bool hasEscaped = depth > 0 && (_hasEscaped[depth - 1] || before.Escapes);
            Configuration after = _space.Step(before, trie.Byte(node));
            if (after.IsDead && !hasEscaped)
            {
                node = trie.End(node);
                continue;
            }
            _path[depth] = after;
            _hasEscaped[depth] = hasEscaped;
            ReadOnlySpan<int> tokens = trie.Tokens(node);
            if (tokens.Length > 0)
            {
                if (!after.IsDead) Allow(tokens, allowed);
                else undecided.Add(node);
            }
            node++;
        }
        StateMask made = new(allowed, [.. undecided]);
        _stateMasks.Add(state, made);
        return made;
    }

    private uint[] FirstMask(Configuration start)
    {
        uint[] mask = new uint[MaskWords];
        TokenTrie trie = _vocabulary.FirstTokens;
        for (int node = 0; node < trie.NumNodes;)
        {
            int depth = trie.Depth(node);
            Configuration after = _space.Step(depth == 0 ? start : _path[depth - 1], trie.Byte(node));
            if (after.IsDead)
            {
                node = trie.End(node);
                continue;
            }
            _path[depth] = after;
            Allow(trie.Tokens(node), mask);
            node++;
        }
        return mask;
    }

    private void Allow(ReadOnlySpan<int> tokens, uint[] mask)
    {
        foreach (int id in tokens)
            if (id < _vocabulary.Size) mask[id >> 5] |= 1u << (id & 31);
    }

    /// <param name="Undecided">Nodes of the token tree whose tokens leave the rule.</param>
    private sealed record StateMask(uint[] Allowed, int[] Undecided);
}
