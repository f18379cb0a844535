using SgLang.Tokenization;
using SkiaSharp;

namespace SgLang.Bench.Datasets;

/// <summary>Questions of MMMU with the first image of each, from a Parquet file that the user has fetched, in the file's order.</summary>
internal static class MmmuSet
{
    private static ReadOnlySpan<byte> PngSignature => [0x89, (byte)'P', (byte)'N', (byte)'G', (byte)'\r', (byte)'\n', 0x1A, (byte)'\n'];

    public static Dataset Build(DatasetOptions options, Vocabulary vocabulary, TextWriter notices)
    {
        Tokenizer tokenizer = vocabulary.Require("--dataset-name mmmu");
        string?[] questions = ParquetColumns.Texts(options.Path, "question");
        byte[]?[] images = ParquetColumns.Bytes(options.Path, "image_1/bytes");
        List<PromptRow> rows = [];
        int skipped = 0, unreadable = 0;
        for (int i = 0; i < questions.Length && rows.Count < options.NumPrompts; i++)
        {
            if (questions[i] is not { Length: > 0 } question || images[i] is not { Length: > 0 } bytes) continue;
            if (ToPng(bytes) is not { } png)
            {
                unreadable++;
                continue;
            }
            if (skipped++ < options.Offset) continue;
            string text = $"Question: {question}\n\nAnswer: ";
            rows.Add(new PromptRow
            {
                Text = text, Images = [$"data:image/png;base64,{Convert.ToBase64String(png)}"],
                PromptLength = tokenizer.Encode(text, addSpecialTokens: true).Length, OutputLength = options.RandomOutputLength,
            });
        }
        if (unreadable > 0) notices.WriteLine($"{unreadable} images of {options.Path} could not be decoded; their questions were left out.");
        return new Dataset("mmmu", $"file {Path.GetFileName(options.Path)}", rows);
    }

    /// <summary>Null where the bytes are no image.</summary>
    private static byte[]? ToPng(byte[] bytes)
    {
        if (bytes.AsSpan().StartsWith(PngSignature)) return bytes;
        using SKImage? image = SKImage.FromEncodedData(bytes);
        using SKData? data = image?.Encode(SKEncodedImageFormat.Png, 100);
        return data?.ToArray();
    }
}
