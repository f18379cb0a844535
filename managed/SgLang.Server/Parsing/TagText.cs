namespace SgLang.Server.Parsing;

/// <summary>Tags in a text that comes in pieces.</summary>
internal static class TagText
{
    /// <summary>How much of the text's end may be the beginning of the tag, and must wait for more.</summary>
    public static int PartialSuffix(ReadOnlySpan<char> text, ReadOnlySpan<char> tag)
    {
        for (int length = Math.Min(text.Length, tag.Length - 1); length > 0; length--)
            if (text[^length..].SequenceEqual(tag[..length])) return length;
        return 0;
    }
}
