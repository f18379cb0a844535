namespace SgLang.Core;

/// <summary>A search for one pattern in a text that grows by a UTF-16 unit at a time. Not thread safe.</summary>
public interface ITextSearch
{
    /// <summary>As its user wrote it.</summary>
    string Pattern { get; }

    /// <summary>Takes the next unit; true when a match ends with it. Nothing is to be taken after that.</summary>
    bool Take(char unit);

    /// <summary>Units at the end of the text that may be the beginning of a match; after a match, its length.</summary>
    int PendingLength { get; }
}
