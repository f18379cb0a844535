namespace SgLang.Grammars.Syntax;

/// <summary>A language over bytes, as the three front ends describe it. Immutable; nodes may be shared.</summary>
internal abstract record Node
{
    public static readonly Node Empty = new Sequence([]);

    public static Node Text(string text) => new Bytes(System.Text.Encoding.UTF8.GetBytes(text));

    public static Node Of(params Node[] items) => items.Length == 1 ? items[0] : new Sequence(items);

    public static Node Any(params Node[] items) => items.Length == 1 ? items[0] : new Choice(items);

    public static Node Optional(Node item) => new Repeat(item, 0, 1);

    public static Node Star(Node item) => new Repeat(item, 0, null);

    /// <summary>A fixed byte string.</summary>
    public sealed record Bytes(byte[] Value) : Node;

    /// <summary>One character of a set, in UTF-8.</summary>
    public sealed record Chars(CharSet Set) : Node;

    /// <summary>Nothing, at the beginning of the text; in expressions that are searched for alone.</summary>
    public sealed record Begin : Node;

    public sealed record Sequence(Node[] Items) : Node;

    /// <summary>Without items it matches nothing.</summary>
    public sealed record Choice(Node[] Items) : Node;

    /// <param name="Max">Null means without end.</param>
    public sealed record Repeat(Node Item, int Min, int? Max) : Node;

    /// <summary>Another rule of the grammar.</summary>
    public sealed record Call(int Rule) : Node;

    /// <summary>What both match; neither may call a rule.</summary>
    public sealed record Both(Node Left, Node Right) : Node;

    /// <summary>What the left matches and the right does not; neither may call a rule.</summary>
    public sealed record Except(Node Left, Node Right) : Node;

    /// <summary>
    /// Items in order, each required or not, with separators between those that are there; then any number of <paramref name="More"/>.
    /// </summary>
    public sealed record SeparatedList(ListItem[] Items, Node Separator, Node? More) : Node;

    public readonly record struct ListItem(Node Node, bool IsRequired);
}
