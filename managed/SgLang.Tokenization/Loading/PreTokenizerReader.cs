using System.Text.Json;
using SgLang.Tokenization.Patterns;
using SgLang.Tokenization.PreTokenizers;

namespace SgLang.Tokenization.Loading;

internal static class PreTokenizerReader
{
    private const string Supported = "Sequence, Split, ByteLevel, Metaspace, Digits, Punctuation, Whitespace, WhitespaceSplit, CharDelimiterSplit, BertPreTokenizer";

    /// <param name="element">The member of tokenizer.json, null where there is none.</param>
    /// <param name="modelMapsBytes">Whether the last stage is ByteLevel, whose mapping is left to the model.</param>
    public static PreTokenizer? Read(JsonElement? element, out bool modelMapsBytes)
    {
        modelMapsBytes = false;
        return element is { } value ? Read(value, "pre_tokenizer", isLast: true, ref modelMapsBytes) : null;
    }

    private static PreTokenizer Read(JsonElement element, string path, bool isLast, ref bool modelMapsBytes)
    {
        string type = element.Text("type", path);
        switch (type)
        {
            case "Sequence":
                JsonElement[] items = [.. element.Items("pretokenizers", path)];
                var stages = new PreTokenizer[items.Length];
                for (int i = 0; i < items.Length; i++)
                {
                    stages[i] = Read(items[i], $"{path}.pretokenizers[{i}]", isLast && i == items.Length - 1, ref modelMapsBytes);
                }

                return new SequencePreTokenizer(stages);
            case "Split":
                return new SplitPreTokenizer(PatternReader.Read(element.Required("pattern", path), $"{path}.pattern"),
                    Behavior(element.Text("behavior", path), path), element.Flag("invert", path, fallback: false));
            case "ByteLevel":
                modelMapsBytes |= isLast;
                return new ByteLevelPreTokenizer(element.Flag("add_prefix_space", path, fallback: true), element.Flag("use_regex", path, fallback: true)) { MapsBytes = !isLast };
            case "Metaspace":
                return ReadMetaspace(element, path);
            case "Digits":
                bool individual = element.Flag("individual_digits", path, fallback: false);
                return new SplitPreTokenizer(new PredicateDelimiter(CodePoint.IsNumeric), individual ? SplitBehavior.Isolated : SplitBehavior.Contiguous, invert: false);
            case "Punctuation":
                return new SplitPreTokenizer(new PredicateDelimiter(CodePoint.IsPunctuation), Behavior(element.Text("behavior", path, "Isolated"), path), invert: false);
            case "Whitespace":
                return new SplitPreTokenizer(new RegexDelimiter(new CodePointRegex(@"\w+|[^\w\s]+")), SplitBehavior.Removed, invert: true);
            case "WhitespaceSplit":
                return new SplitPreTokenizer(new PredicateDelimiter(CodePoint.IsWhiteSpace), SplitBehavior.Removed, invert: false);
            case "CharDelimiterSplit":
                return new SplitPreTokenizer(new StringDelimiter(element.Text("delimiter", path)), SplitBehavior.Removed, invert: false);
            case "BertPreTokenizer":
                return new SequencePreTokenizer([
                    new SplitPreTokenizer(new PredicateDelimiter(CodePoint.IsWhiteSpace), SplitBehavior.Removed, invert: false),
                    new SplitPreTokenizer(new PredicateDelimiter(CodePoint.IsPunctuation), SplitBehavior.Isolated, invert: false)]);
            default:
                throw new TokenizerException($"{path}.type is \"{type}\"; supported: {Supported}");
        }
    }

    private static MetaspacePreTokenizer ReadMetaspace(JsonElement element, string path)
    {
        // Older files say add_prefix_space where newer ones say prepend_scheme.
        string fallback = element.Flag("add_prefix_space", path, fallback: true) ? "always" : "never";
        string scheme = element.Text("prepend_scheme", path, fallback);
        return new MetaspacePreTokenizer(Replacement(element, path), Scheme(scheme, path), element.Flag("split", path, fallback: true));
    }

    public static PrependScheme Scheme(string scheme, string path) => scheme switch
    {
        "always" => PrependScheme.Always,
        "first" => PrependScheme.First,
        "never" => PrependScheme.Never,
        _ => throw new TokenizerException($"{path}.prepend_scheme is \"{scheme}\"; allowed: always, first, never"),
    };

    public static char Replacement(JsonElement element, string path)
    {
        string text = element.Text("replacement", path, "\u2581");
        return text.Length == 1 ? text[0] : throw new TokenizerException($"{path}.replacement is \"{text}\"; one character is expected");
    }

    private static SplitBehavior Behavior(string name, string path) => name switch
    {
        "Removed" => SplitBehavior.Removed,
        "Isolated" => SplitBehavior.Isolated,
        "MergedWithPrevious" => SplitBehavior.MergedWithPrevious,
        "MergedWithNext" => SplitBehavior.MergedWithNext,
        "Contiguous" => SplitBehavior.Contiguous,
        _ => throw new TokenizerException($"{path}.behavior is \"{name}\"; allowed: Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous"),
    };
}
