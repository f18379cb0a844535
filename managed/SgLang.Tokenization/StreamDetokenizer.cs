using SgLang.Tokenization.Decoders;

namespace SgLang.Tokenization;

/// <summary>Text of a growing id sequence: never half a character, linear in time. Not thread safe.</summary>
public sealed class StreamDetokenizer
{
    private readonly Tokenizer _tokenizer;
    private readonly bool _skipSpecialTokens;
    private readonly TextSink _sink = new();
    private readonly Decoder _first;
    private bool _isFinished;

    internal StreamDetokenizer(Tokenizer tokenizer, bool skipSpecialTokens)
    {
        _tokenizer = tokenizer;
        _skipSpecialTokens = skipSpecialTokens;
        _first = Decoder.Chain(tokenizer.CreateDecoders(), _sink);
    }

    /// <summary>Takes the next id; returns the text that has become certain (often empty). An id without a token adds nothing.</summary>
    public string Append(int id)
    {
        Push(id);
        return _sink.Take();
    }

    /// <summary>What is still held back, incomplete bytes as U+FFFD. Append afterwards is an error.</summary>
    public string Finish()
    {
        if (!_isFinished)
        {
            _isFinished = true;
            _first.Finish();
        }

        return _sink.Take();
    }

    internal void Push(int id)
    {
        if (_isFinished)
        {
            throw new InvalidOperationException("the stream is finished; create another one");
        }

        if (!(_skipSpecialTokens && _tokenizer.IsSpecial(id)) && _tokenizer.TokenText(id) is { } token)
        {
            _first.Push(token, beginsToken: true);
        }
    }
}
