using System.Text;

namespace SgLang.Tokenization.Decoders;

/// <summary>
/// One stage of turning tokens into text, as a transducer: it takes tokens (or, after a stage that fuses them, fragments of one token) and passes on
/// what is certain. Decoding at once and streaming run the same stages, so they cannot differ. Not thread safe; one per sequence.
/// </summary>
internal abstract class Decoder
{
    /// <summary>The stage that gets this one's output. Set once, before use.</summary>
    protected Decoder Next { get; private set; } = null!;

    /// <summary>Whether <see cref="Push"/> may be called with parts of a token.</summary>
    protected bool InputIsFragmented { get; private set; }

    protected virtual bool OutputIsFragmented => InputIsFragmented;

    /// <summary>Links the stages, the last one into <paramref name="sink"/>; returns the first.</summary>
    public static Decoder Chain(IReadOnlyList<Decoder> stages, TextSink sink)
    {
        for (int i = 0; i < stages.Count; i++)
        {
            stages[i].Next = i + 1 < stages.Count ? stages[i + 1] : sink;
            stages[i].Next.InputIsFragmented = stages[i].OutputIsFragmented;
        }

        return stages.Count > 0 ? stages[0] : sink;
    }

    /// <param name="text">A token or a fragment; may be empty.</param>
    /// <param name="beginsToken">False when the text continues the token of the call before.</param>
    public abstract void Push(ReadOnlySpan<char> text, bool beginsToken);

    /// <summary>No more tokens: passes on what was held back, then finishes the next stage.</summary>
    public virtual void Finish() => Next.Finish();
}

/// <summary>The last stage: collects text.</summary>
internal sealed class TextSink : Decoder
{
    private readonly StringBuilder _text = new();

    public override void Push(ReadOnlySpan<char> text, bool beginsToken) => _text.Append(text);

    public override void Finish()
    {
    }

    /// <summary>What has come since the last call.</summary>
    public string Take()
    {
        if (_text.Length == 0)
        {
            return "";
        }

        string text = _text.ToString();
        _text.Clear();
        return text;
    }
}

/// <summary>Base of stages that must see whole tokens: fragments are gathered until their token ends.</summary>
internal abstract class TokenDecoder : Decoder
{
    private StringBuilder? _pending;

    protected override bool OutputIsFragmented => false;

    public sealed override void Push(ReadOnlySpan<char> text, bool beginsToken)
    {
        if (!InputIsFragmented)
        {
            Decode(text);
            return;
        }

        if (beginsToken)
        {
            Flush();
        }

        (_pending ??= new StringBuilder()).Append(text);
    }

    public sealed override void Finish()
    {
        Flush();
        Complete();
        Next.Finish();
    }

    protected abstract void Decode(ReadOnlySpan<char> token);

    /// <summary>The last token has been decoded.</summary>
    protected virtual void Complete()
    {
    }

    private void Flush()
    {
        if (_pending is not null)
        {
            string token = _pending.ToString();
            _pending = null;
            Decode(token);
        }
    }
}
