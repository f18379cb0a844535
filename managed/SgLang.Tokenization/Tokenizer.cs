namespace SgLang.Tokenization;

/// <summary>Text to ids and back, from a Hugging Face model directory. Immutable and thread safe.</summary>
public sealed class Tokenizer
{
    /// <summary>Reads tokenizer.json and tokenizer_config.json. Throws <see cref="TokenizerException"/> naming the file and what is wrong.</summary>
    public static Tokenizer Load(string directory) => throw new NotImplementedException();

    public int VocabularySize => throw new NotImplementedException();
    public int? BosTokenId => throw new NotImplementedException();
    public int? EosTokenId => throw new NotImplementedException();

    /// <summary>model_max_length of tokenizer_config.json; null when absent or absurdly large.</summary>
    public int? ModelMaxLength => throw new NotImplementedException();

    public int[] Encode(string text, bool addSpecialTokens) => throw new NotImplementedException();

    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens) => throw new NotImplementedException();

    /// <summary>Text of one token alone, as log-probability listings show it.</summary>
    public string DecodeToken(int id) => throw new NotImplementedException();

    public int? TokenToId(string token) => throw new NotImplementedException();

    public StreamDetokenizer CreateStream(bool skipSpecialTokens) => throw new NotImplementedException();
}

public sealed class TokenizerException(string message, Exception? inner = null) : Exception(message, inner);
