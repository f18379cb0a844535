using System.Text.Json;
using Google.Protobuf;
using SgLang.Tokenization.Loading;

namespace SgLang.Tokenization.Tests.Loading;

/// <summary>Writes SentencePiece model files, field by field of sentencepiece_model.proto.</summary>
internal sealed class SentencePieceBuilder
{
    public List<(string Text, float Score, PieceKind Kind)> Pieces { get; } = [];

    public SentencePieceAlgorithm Algorithm { get; init; } = SentencePieceAlgorithm.Bpe;
    public bool ByteFallback { get; init; }
    public int UnknownId { get; init; }
    public byte[] CharacterMap { get; init; } = [];
    public bool AddsDummyPrefix { get; init; } = true;
    public bool RemovesExtraWhitespace { get; init; }

    /// <summary>
    /// The model behind a tokenizer.json of a SentencePiece model. Scores fall from merge to merge; rows of spaces have the least, all the same, as in
    /// the models that were trained so.
    /// </summary>
    public static SentencePieceBuilder FromTokenizerJson(string path)
    {
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(path));
        JsonElement model = json.RootElement.GetProperty("model");
        var merged = new Dictionary<string, int>();
        foreach (JsonElement merge in model.GetProperty("merges").EnumerateArray())
        {
            string piece = merge.GetString()!.Replace(" ", "", StringComparison.Ordinal);
            merged.TryAdd(piece, merged.Count);
        }

        var builder = new SentencePieceBuilder { ByteFallback = true };
        foreach (JsonProperty entry in model.GetProperty("vocab").EnumerateObject().OrderBy(entry => entry.Value.GetInt32()))
        {
            string text = entry.Name;
            bool isByte = text.Length == 6 && text.StartsWith("<0x", StringComparison.Ordinal);
            PieceKind kind = text == "<unk>" ? PieceKind.Unknown : text is "<s>" or "</s>" ? PieceKind.Control : isByte ? PieceKind.Byte : PieceKind.Normal;
            float score = kind != PieceKind.Normal ? 0 : text.Length > 1 && text.All(c => c == '\u2581') ? -1e9f : -merged.GetValueOrDefault(text, merged.Count + entry.Value.GetInt32());
            builder.Pieces.Add((text, score, kind));
        }

        return builder;
    }

    public byte[] Build() => Message(model =>
    {
        foreach ((string text, float score, PieceKind kind) in Pieces)
        {
            Nested(model, 1, piece =>
            {
                Tag(piece, 1, WireFormat.WireType.LengthDelimited).WriteString(text);
                Tag(piece, 2, WireFormat.WireType.Fixed32).WriteFloat(score);
                if (kind != PieceKind.Normal)
                {
                    Tag(piece, 3, WireFormat.WireType.Varint).WriteEnum((int)kind);
                }
            });
        }

        Nested(model, 2, trainer =>
        {
            Tag(trainer, 2, WireFormat.WireType.LengthDelimited).WriteString("a field that readers skip");
            Tag(trainer, 3, WireFormat.WireType.Varint).WriteEnum((int)Algorithm);
            Tag(trainer, 35, WireFormat.WireType.Varint).WriteBool(ByteFallback);
            Tag(trainer, 40, WireFormat.WireType.Varint).WriteInt32(UnknownId);
            Tag(trainer, 43, WireFormat.WireType.Varint).WriteInt32(-1);
        });
        Nested(model, 3, normalizer =>
        {
            Tag(normalizer, 1, WireFormat.WireType.LengthDelimited).WriteString(CharacterMap.Length > 0 ? "nmt_nfkc" : "identity");
            Tag(normalizer, 2, WireFormat.WireType.LengthDelimited).WriteBytes(ByteString.CopyFrom(CharacterMap));
            Tag(normalizer, 3, WireFormat.WireType.Varint).WriteBool(AddsDummyPrefix);
            Tag(normalizer, 4, WireFormat.WireType.Varint).WriteBool(RemovesExtraWhitespace);
            Tag(normalizer, 5, WireFormat.WireType.Varint).WriteBool(true);
        });
    });

    public static byte[] Message(Action<CodedOutputStream> write)
    {
        using var bytes = new MemoryStream();
        using (var output = new CodedOutputStream(bytes, leaveOpen: true))
        {
            write(output);
        }

        return bytes.ToArray();
    }

    public static void Nested(CodedOutputStream output, int field, Action<CodedOutputStream> write) =>
        Tag(output, field, WireFormat.WireType.LengthDelimited).WriteBytes(ByteString.CopyFrom(Message(write)));

    public static CodedOutputStream Tag(CodedOutputStream output, int field, WireFormat.WireType type)
    {
        output.WriteTag(field, type);
        return output;
    }
}
