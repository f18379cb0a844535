using System.Text;
using Google.Protobuf;

namespace SgLang.Tokenization.Loading;

/// <summary>What a piece is for. Values of the file.</summary>
internal enum PieceKind { Normal = 1, Unknown = 2, Control = 3, UserDefined = 4, Unused = 5, Byte = 6 }

/// <summary>How a SentencePiece model cuts text. Values of the file.</summary>
internal enum SentencePieceAlgorithm { Unigram = 1, Bpe = 2, Word = 3, Char = 4 }

/// <summary>
/// The fields of a SentencePiece model file that encoding and decoding need: a protobuf message whose field numbers are those of
/// sentencepiece_model.proto. Its place in the list is a piece's id. Unknown fields are skipped.
/// </summary>
internal sealed record SentencePieceFile
{
    private static readonly UTF8Encoding s_strictUtf8 = new(false, throwOnInvalidBytes: true);

    public required IReadOnlyList<(string Text, float Score, PieceKind Kind)> Pieces { get; init; }

    // trainer_spec
    public SentencePieceAlgorithm Algorithm { get; private set; } = SentencePieceAlgorithm.Unigram;
    public bool ByteFallback { get; private set; }
    public bool TreatsWhitespaceAsSuffix { get; private set; }
    public int UnknownId { get; private set; }
    public int BosId { get; private set; } = 1;
    public int EosId { get; private set; } = 2;

    /// <summary>Negative where there is no such token.</summary>
    public int PadId { get; private set; } = -1;

    // normalizer_spec
    public string NormalizerName { get; private set; } = "";
    public bool HasCharacterMap { get; private set; }
    public bool AddsDummyPrefix { get; private set; } = true;
    public bool RemovesExtraWhitespace { get; private set; } = true;
    public bool EscapesWhitespace { get; private set; } = true;

    /// <summary>Throws <see cref="TokenizerException"/> for what is not such a message, or ends within one.</summary>
    public static SentencePieceFile Parse(byte[] bytes)
    {
        try
        {
            var pieces = new List<(string, float, PieceKind)>();
            var file = new SentencePieceFile { Pieces = pieces };
            ForEachField(new CodedInputStream(bytes), "", (field, input) =>
            {
                switch (field.Number)
                {
                    case 1:
                        pieces.Add(ReadPiece(field.Message(input), pieces.Count));
                        return true;
                    case 2:
                        ForEachField(field.Message(input), "trainer_spec", file.TryReadTrainerField);
                        return true;
                    case 3:
                        ForEachField(field.Message(input), "normalizer_spec", file.TryReadNormalizerField);
                        return true;
                    default:
                        return false;
                }
            });
            return pieces.Count > 0 ? file : throw new TokenizerException("not a SentencePiece model: there are no pieces in it");
        }
        catch (InvalidProtocolBufferException e)
        {
            throw new TokenizerException($"not a SentencePiece model (truncated or damaged?): {e.Message}", e);
        }
        catch (DecoderFallbackException e)
        {
            throw new TokenizerException("not a SentencePiece model (damaged?): text that is not UTF-8", e);
        }
    }

    private static (string Text, float Score, PieceKind Kind) ReadPiece(CodedInputStream message, int index)
    {
        if (index > TokenizerParts.MaxTokenId)
        {
            throw new TokenizerException($"there are more than {TokenizerParts.MaxTokenId + 1} pieces");
        }

        (string text, float score, PieceKind kind) = ("", 0, PieceKind.Normal);
        ForEachField(message, $"pieces[{index}]", (field, input) =>
        {
            switch (field.Number)
            {
                case 1:
                    text = field.Text(input);
                    return true;
                case 2:
                    score = field.Float(input);
                    return true;
                case 3:
                    kind = (PieceKind)field.Integer(input);
                    return true;
                default:
                    return false;
            }
        });
        return (text, score, kind);
    }

    private bool TryReadTrainerField(Field field, CodedInputStream input)
    {
        switch (field.Number)
        {
            case 3:
                Algorithm = (SentencePieceAlgorithm)field.Integer(input);
                return true;
            case 24:
                TreatsWhitespaceAsSuffix = field.Flag(input);
                return true;
            case 35:
                ByteFallback = field.Flag(input);
                return true;
            case 40:
                UnknownId = field.Integer(input);
                return true;
            case 41:
                BosId = field.Integer(input);
                return true;
            case 42:
                EosId = field.Integer(input);
                return true;
            case 43:
                PadId = field.Integer(input);
                return true;
            default:
                return false;
        }
    }

    private bool TryReadNormalizerField(Field field, CodedInputStream input)
    {
        switch (field.Number)
        {
            case 1:
                NormalizerName = field.Text(input);
                return true;
            case 2:
                HasCharacterMap = field.Bytes(input).Length > 0;
                return true;
            case 3:
                AddsDummyPrefix = field.Flag(input);
                return true;
            case 4:
                RemovesExtraWhitespace = field.Flag(input);
                return true;
            case 5:
                EscapesWhitespace = field.Flag(input);
                return true;
            default:
                return false;
        }
    }

    /// <summary>Reads a message to its end; <paramref name="tryRead"/> takes a field's value or says that it is none of its own.</summary>
    private static void ForEachField(CodedInputStream input, string path, Func<Field, CodedInputStream, bool> tryRead)
    {
        for (uint tag = input.ReadTag(); tag != 0; tag = input.ReadTag())
        {
            if (!tryRead(new Field(path, WireFormat.GetTagFieldNumber(tag), WireFormat.GetTagWireType(tag)), input))
            {
                input.SkipLastField();
            }
        }
    }

    /// <summary>A field whose value comes next, read as one type or refused.</summary>
    private readonly record struct Field(string Path, int Number, WireFormat.WireType Type)
    {
        public CodedInputStream Message(CodedInputStream input) => Bytes(input).CreateCodedInput();

        public string Text(CodedInputStream input) => s_strictUtf8.GetString(Bytes(input).Span);

        public ByteString Bytes(CodedInputStream input)
        {
            Expect(WireFormat.WireType.LengthDelimited);
            return input.ReadBytes();
        }

        public float Float(CodedInputStream input)
        {
            Expect(WireFormat.WireType.Fixed32);
            return input.ReadFloat();
        }

        public int Integer(CodedInputStream input)
        {
            Expect(WireFormat.WireType.Varint);
            return input.ReadInt32();
        }

        public bool Flag(CodedInputStream input)
        {
            Expect(WireFormat.WireType.Varint);
            return input.ReadBool();
        }

        private void Expect(WireFormat.WireType type)
        {
            if (Type != type)
            {
                throw new TokenizerException($"not a SentencePiece model: field {Number} of {(Path.Length == 0 ? "the model" : Path)} has wire type {Type}; {type} is expected");
            }
        }
    }
}
