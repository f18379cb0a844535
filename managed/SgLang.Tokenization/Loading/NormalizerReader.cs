using System.Text.Json;
using SgLang.Tokenization.Normalizers;

namespace SgLang.Tokenization.Loading;

internal static class NormalizerReader
{
    private const string Supported = "Sequence, Prepend, Replace, NFC, NFD, NFKC, NFKD, Lowercase, Strip, StripAccents, ByteLevel, BertNormalizer";

    public static Normalizer? Read(JsonElement? element, string path) => element is { } value ? Read(value, path) : null;

    private static Normalizer Read(JsonElement element, string path)
    {
        string type = element.Text("type", path);
        switch (type)
        {
            case "Sequence":
                return new SequenceNormalizer([.. element.Items("normalizers", path).Select((item, i) => Read(item, $"{path}.normalizers[{i}]"))]);
            case "Prepend":
                return new PrependNormalizer(element.Text("prepend", path));
            case "Replace":
                return ReadReplace(element, path);
            case "NFC":
                return new UnicodeNormalizer(UnicodeForm.Nfc);
            case "NFD":
                return new UnicodeNormalizer(UnicodeForm.Nfd);
            case "NFKC":
                return new UnicodeNormalizer(UnicodeForm.Nfkc);
            case "NFKD":
                return new UnicodeNormalizer(UnicodeForm.Nfkd);
            case "Lowercase":
                return new LowercaseNormalizer();
            case "Strip":
                return new StripNormalizer(element.Flag("strip_left", path, fallback: true), element.Flag("strip_right", path, fallback: true));
            case "StripAccents":
                return new StripAccentsNormalizer();
            case "ByteLevel":
                return new ByteLevelNormalizer();
            case "BertNormalizer":
                bool lowercase = element.Flag("lowercase", path, fallback: true);
                return new BertNormalizer(element.Flag("clean_text", path, fallback: true), element.Flag("handle_chinese_chars", path, fallback: true),
                    element.Flag("strip_accents", path, fallback: lowercase), lowercase);
            default:
                throw new TokenizerException($"{path}.type is \"{type}\"; supported: {Supported}");
        }
    }

    public static ReplaceNormalizer ReadReplace(JsonElement element, string path) =>
        new(PatternReader.Read(element.Required("pattern", path), $"{path}.pattern"), element.Text("content", path));
}
