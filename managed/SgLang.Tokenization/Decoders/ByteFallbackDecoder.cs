using System.Globalization;
using System.Text;

namespace SgLang.Tokenization.Decoders;

/// <summary>
/// Runs of &lt;0xNN&gt; tokens to text. As in the reference a run that is not valid UTF-8 becomes one U+FFFD per byte, even where a part of it would be
/// valid, so a run's text is certain only once the run has ended.
/// </summary>
internal sealed class ByteFallbackDecoder : TokenDecoder
{
    private static readonly UTF8Encoding s_strict = new(false, throwOnInvalidBytes: true);

    private readonly List<byte> _run = [];

    protected override void Decode(ReadOnlySpan<char> token)
    {
        if (token.Length == 6 && token.StartsWith("<0x") && token[5] == '>'
            && byte.TryParse(token[3..5], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte value))
        {
            _run.Add(value);
            return;
        }

        Complete();
        Next.Push(token, beginsToken: true);
    }

    protected override void Complete()
    {
        if (_run.Count == 0)
        {
            return;
        }

        byte[] bytes = [.. _run];
        _run.Clear();
        if (System.Text.Unicode.Utf8.IsValid(bytes))
        {
            Next.Push(s_strict.GetString(bytes), beginsToken: true);
            return;
        }

        foreach (byte _ in bytes)
        {
            Next.Push("\uFFFD", beginsToken: true);
        }
    }
}
