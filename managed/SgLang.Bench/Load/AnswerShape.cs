namespace SgLang.Bench.Load;

/// <summary>How an answer's stream is read.</summary>
public enum AnswerShape : byte
{
    /// <summary>/generate: cumulative text and counts in meta_info.</summary>
    Native,

    /// <summary>/v1/completions.</summary>
    Completion,

    /// <summary>/v1/chat/completions.</summary>
    Chat,

    /// <summary>Triton's generate_stream: cumulative text_output, no counts, no [DONE].</summary>
    Triton,

    /// <summary>/v1/embeddings: one body, no tokens.</summary>
    Embedding,
}
