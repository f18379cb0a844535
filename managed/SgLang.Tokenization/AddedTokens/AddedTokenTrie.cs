using System.Buffers;
using SgLang.Tokenization.Patterns;

namespace SgLang.Tokenization.AddedTokens;

/// <summary>Finds added tokens in a text: leftmost, and of those that begin there the longest. Immutable.</summary>
internal sealed class AddedTokenTrie
{
    private readonly Node _root = new();
    private readonly SearchValues<char> _firstChars;

    public AddedTokenTrie(IEnumerable<(string Form, AddedToken Token)> tokens)
    {
        foreach ((string form, AddedToken token) in tokens)
        {
            Node node = _root;
            foreach (char c in form)
            {
                if (!node.Children.TryGetValue(c, out Node? child))
                {
                    node.Children.Add(c, child = new Node());
                }

                node = child;
            }

            node.Token = form.Length > 0 ? token : null;
        }

        _firstChars = SearchValues.Create([.. _root.Children.Keys]);
    }

    /// <summary>
    /// Calls <paramref name="emit"/> for every stretch of <paramref name="text"/> in order, with its token or null for plain text; never for an empty plain stretch.
    /// </summary>
    public void Split(string text, Action<int, int, AddedToken?> emit)
    {
        int emitted = 0;
        int position = 0;
        while (TryFind(text, position, out int start, out int end, out AddedToken? token))
        {
            position = end;
            if (token!.SingleWord && !IsAlone(text, start, end))
            {
                continue;
            }

            if (token.StripsLeft)
            {
                while (start > emitted && char.IsWhiteSpace(text[start - 1]))
                {
                    start--;
                }
            }

            if (token.StripsRight)
            {
                while (end < text.Length && char.IsWhiteSpace(text[end]))
                {
                    end++;
                }
            }

            if (start > emitted)
            {
                emit(emitted, start, null);
            }

            emit(start, end, token);
            emitted = end;
            position = Math.Max(position, end);
        }

        if (emitted < text.Length)
        {
            emit(emitted, text.Length, null);
        }
    }

    private bool TryFind(string text, int from, out int start, out int end, out AddedToken? token)
    {
        for (start = from; start < text.Length; start++)
        {
            int skip = text.AsSpan(start).IndexOfAny(_firstChars);
            if (skip < 0)
            {
                break;
            }

            start += skip;
            token = null;
            end = start;
            Node? node = _root;
            for (int i = start; i < text.Length && node.Children.TryGetValue(text[i], out node); i++)
            {
                if (node.Token is not null)
                {
                    (token, end) = (node.Token, i + 1);
                }
            }

            if (token is not null)
            {
                return true;
            }
        }

        (start, end, token) = (-1, -1, null);
        return false;
    }

    private static bool IsAlone(string text, int start, int end) =>
        (start == 0 || !CodePoint.IsWord(CodePoint.Before(text, start, out _))) && (end == text.Length || !CodePoint.IsWord(CodePoint.At(text, end, out _)));

    private sealed class Node
    {
        public Dictionary<char, Node> Children { get; } = [];
        public AddedToken? Token { get; set; }
    }
}
