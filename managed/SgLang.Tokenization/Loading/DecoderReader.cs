using System.Text.Json;
using SgLang.Tokenization.Decoders;
using SgLang.Tokenization.Normalizers;
using SgLang.Tokenization.PreTokenizers;

namespace SgLang.Tokenization.Loading;

internal static class DecoderReader
{
    private const string Supported = "Sequence, ByteLevel, ByteFallback, Fuse, Replace, Strip, Metaspace, BPEDecoder, WordPiece";

    /// <summary>A factory, since the stages have state.</summary>
    public static Func<IReadOnlyList<Decoder>> Read(JsonElement? element)
    {
        var makers = new List<Func<Decoder>>();
        if (element is { } value)
        {
            Read(value, "decoder", makers);
        }
        else
        {
            makers.Add(() => new BlankJoinDecoder());
        }

        return () => [.. makers.Select(make => make())];
    }

    private static void Read(JsonElement element, string path, List<Func<Decoder>> makers)
    {
        string type = element.Text("type", path);
        switch (type)
        {
            case "Sequence":
                int index = 0;
                foreach (JsonElement item in element.Items("decoders", path))
                {
                    Read(item, $"{path}.decoders[{index++}]", makers);
                }

                break;
            case "ByteLevel":
                makers.Add(() => new ByteLevelDecoder());
                break;
            case "ByteFallback":
                makers.Add(() => new ByteFallbackDecoder());
                break;
            case "Fuse":
                makers.Add(() => new FuseDecoder());
                break;
            case "Replace":
                makers.Add(ReadReplace(element, path));
                break;
            case "Strip":
                string content = element.Text("content", path, " ");
                char c = content.Length == 1 ? content[0] : throw new TokenizerException($"{path}.content is \"{content}\"; one character is expected");
                int start = element.Integer("start", path);
                int stop = element.Integer("stop", path);
                makers.Add(() => new StripDecoder(c, start, stop));
                break;
            case "Metaspace":
                char replacement = PreTokenizerReader.Replacement(element, path);
                string fallback = element.Flag("add_prefix_space", path, fallback: true) ? "always" : "never";
                PrependScheme scheme = PreTokenizerReader.Scheme(element.Text("prepend_scheme", path, fallback), path);
                makers.Add(() => new MetaspaceDecoder(replacement, scheme != PrependScheme.Never));
                break;
            case "BPEDecoder":
                string suffix = element.Text("suffix", path, "</w>");
                makers.Add(() => new SuffixDecoder(suffix));
                break;
            case "WordPiece":
                string prefix = element.Text("prefix", path, "##");
                bool cleanup = element.Flag("cleanup", path, fallback: true);
                makers.Add(() => new WordPieceDecoder(prefix, cleanup));
                break;
            default:
                throw new TokenizerException($"{path}.type is \"{type}\"; supported: {Supported}");
        }
    }

    private static Func<Decoder> ReadReplace(JsonElement element, string path)
    {
        string content = element.Text("content", path);
        JsonElement pattern = element.Required("pattern", path);
        if (pattern.Member("String") is { ValueKind: JsonValueKind.String } text && text.GetString() is { Length: 1 } single)
        {
            return () => new ReplaceCharDecoder(single[0], content);
        }

        ReplaceNormalizer replace = NormalizerReader.ReadReplace(element, path);
        return () => new ReplaceDecoder(replace);
    }
}
