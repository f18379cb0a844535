namespace SgLang.Tokenization;

/// <summary>Text of a growing id sequence: never half a character, linear in time. Not thread safe.</summary>
public sealed class StreamDetokenizer
{
    /// <summary>Takes the next id; returns the text that has become certain (often empty).</summary>
    public string Append(int id) => throw new NotImplementedException();

    /// <summary>What is still held back, incomplete bytes as U+FFFD. Append afterwards is an error.</summary>
    public string Finish() => throw new NotImplementedException();
}
