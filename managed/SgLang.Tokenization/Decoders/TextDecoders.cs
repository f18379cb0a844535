using SgLang.Tokenization.Normalizers;

namespace SgLang.Tokenization.Decoders;

/// <summary>Makes one token of all.</summary>
internal sealed class FuseDecoder : Decoder
{
    private bool _hasBegun;

    protected override bool OutputIsFragmented => true;

    public override void Push(ReadOnlySpan<char> text, bool beginsToken)
    {
        Next.Push(text, beginsToken: !_hasBegun);
        _hasBegun = true;
    }
}

/// <summary>Replaces matches within each token.</summary>
internal sealed class ReplaceDecoder(ReplaceNormalizer replace) : TokenDecoder
{
    protected override void Decode(ReadOnlySpan<char> token) => Next.Push(replace.Normalize(token.ToString()), beginsToken: true);
}

/// <summary>Replaces a single character, which fragments can bear.</summary>
internal sealed class ReplaceCharDecoder(char pattern, string content) : Decoder
{
    public override void Push(ReadOnlySpan<char> text, bool beginsToken)
    {
        if (text.Contains(pattern))
        {
            text = text.ToString().Replace(pattern.ToString(), content, StringComparison.Ordinal);
        }

        Next.Push(text, beginsToken);
    }
}

/// <summary>Removes up to <paramref name="start"/> leading and <paramref name="stop"/> trailing occurrences of a character from each token.</summary>
internal sealed class StripDecoder(char content, int start, int stop) : Decoder
{
    private int _toStrip;
    private int _held;

    public override void Push(ReadOnlySpan<char> text, bool beginsToken)
    {
        if (beginsToken)
        {
            // What was held back stood at the end of its token: it is gone.
            _toStrip = start;
            _held = 0;
        }

        while (text.Length > 0 && _toStrip > 0)
        {
            if (text[0] != content)
            {
                _toStrip = 0;
                break;
            }

            text = text[1..];
            _toStrip--;
        }

        if (stop == 0)
        {
            Next.Push(text, beginsToken);
            return;
        }

        PushHoldingBack(text, beginsToken);
    }

    private void PushHoldingBack(ReadOnlySpan<char> text, bool beginsToken)
    {
        int trailing = text.Length - text.TrimEnd(content).Length;
        string held = new(content, _held);
        if (trailing == text.Length)
        {
            // Only the last `stop` of a longer row of them are in doubt.
            int certain = Math.Max(0, _held + trailing - stop);
            _held = _held + trailing - certain;
            Next.Push(new string(content, certain), beginsToken);
            return;
        }

        _held = Math.Min(trailing, stop);
        Next.Push(string.Concat(held, text[..^_held]), beginsToken);
    }
}

/// <summary>The SentencePiece space back to a blank; in the first token it is the one that encoding prepended, and goes.</summary>
internal sealed class MetaspaceDecoder(char replacement, bool prepended) : Decoder
{
    private int _tokens;

    public override void Push(ReadOnlySpan<char> text, bool beginsToken)
    {
        _tokens += beginsToken ? 1 : 0;
        if (text.Contains(replacement))
        {
            string blank = _tokens <= 1 && prepended ? "" : " ";
            text = text.ToString().Replace(replacement.ToString(), blank, StringComparison.Ordinal);
        }

        Next.Push(text, beginsToken);
    }
}

/// <summary>Joins word pieces: a prefix says that a piece continues the word before.</summary>
internal sealed class WordPieceDecoder(string prefix, bool cleanup) : TokenDecoder
{
    private bool _hasBegun;

    protected override void Decode(ReadOnlySpan<char> token)
    {
        string text = token.ToString();
        if (_hasBegun)
        {
            text = prefix.Length > 0 && text.StartsWith(prefix, StringComparison.Ordinal) ? text[prefix.Length..] : " " + text;
        }

        _hasBegun = true;
        Next.Push(cleanup ? Clean(text) : text, beginsToken: true);
    }

    private static string Clean(string text) => text.Replace(" .", ".", StringComparison.Ordinal).Replace(" ?", "?", StringComparison.Ordinal)
        .Replace(" !", "!", StringComparison.Ordinal).Replace(" ,", ",", StringComparison.Ordinal).Replace(" ' ", "'", StringComparison.Ordinal)
        .Replace(" n't", "n't", StringComparison.Ordinal).Replace(" 'm", "'m", StringComparison.Ordinal).Replace(" do not", " don't", StringComparison.Ordinal)
        .Replace(" 's", "'s", StringComparison.Ordinal).Replace(" 've", "'ve", StringComparison.Ordinal).Replace(" 're", "'re", StringComparison.Ordinal);
}

/// <summary>An end-of-word suffix becomes a blank, but nothing in the last token; so one token is always held back.</summary>
internal sealed class SuffixDecoder(string suffix) : TokenDecoder
{
    private string? _held;

    protected override void Decode(ReadOnlySpan<char> token)
    {
        Release(" ");
        _held = token.ToString();
    }

    protected override void Complete() => Release("");

    private void Release(string blank)
    {
        if (_held is not null)
        {
            Next.Push(suffix.Length == 0 ? _held : _held.Replace(suffix, blank, StringComparison.Ordinal), beginsToken: true);
            _held = null;
        }
    }
}

/// <summary>Stands in where a file names no decoder: tokens joined by blanks, as the reference does.</summary>
internal sealed class BlankJoinDecoder : Decoder
{
    private bool _hasBegun;

    public override void Push(ReadOnlySpan<char> text, bool beginsToken)
    {
        if (beginsToken && _hasBegun)
        {
            Next.Push(" ", beginsToken: true);
        }

        _hasBegun = true;
        Next.Push(text, beginsToken);
    }
}
