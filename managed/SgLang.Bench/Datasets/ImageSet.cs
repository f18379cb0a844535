using System.Globalization;
using SgLang.Bench.Statistics;
using SgLang.Tokenization;
using SkiaSharp;

namespace SgLang.Bench.Datasets;

/// <summary>Random text with images beside it, made here: every pixel of a random colour, so that no two are alike, or all of them white.</summary>
internal static class ImageSet
{
    private const int JpegQuality = 85;
    private const int BytesPerPixel = 4;

    public static Dataset Build(DatasetOptions options, Vocabulary vocabulary, TextWriter notices)
    {
        Tokenizer tokenizer = vocabulary.Require("--dataset-name image");
        NumpyRandom numpy = new(options.Seed);
        PythonRandom python = new(options.Seed);
        int[] inputs = DatasetBuilder.Lengths(options.RandomInputLength, options.RandomRangeRatio, options.NumPrompts, numpy);
        int[] outputs = DatasetBuilder.Lengths(options.RandomOutputLength, options.RandomRangeRatio, options.NumPrompts, numpy);
        int[] counts = options.HasRandomImageCount ? numpy.Integers(1, options.ImageCount + 1, options.NumPrompts) : [.. Enumerable.Repeat(options.ImageCount, options.NumPrompts)];
        int[] words = [.. Enumerable.Range(0, vocabulary.Size).Where(id => !tokenizer.IsSpecial(id))];
        List<PromptRow> rows = [];
        long numBytes = 0;
        for (int k = 0; k < options.NumPrompts; k++)
        {
            int[] drawn = [.. python.Choices(words.Length, inputs[k]).Select(i => words[i])];
            string text = tokenizer.Decode(drawn, skipSpecialTokens: true);
            string[] images = [.. Enumerable.Range(0, counts[k]).Select(_ => DataUri(options, numpy))];
            numBytes += images.Sum(image => (long)image.Length);
            int length = tokenizer.Encode(text, addSpecialTokens: true).Length;
            rows.Add(new PromptRow { Text = text, Images = images, PromptLength = length, OutputLength = outputs[k] });
        }
        notices.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{counts.Sum()} {options.ImageContent} {options.ImageFormat} images of {options.ImageResolution}, {numBytes / 1e6:F1} MB as sent, {numBytes / 1e6 / rows.Count:F3} MB a request."));
        return new Dataset("image", string.Create(CultureInfo.InvariantCulture, $"generated: {options.ImageContent} {options.ImageFormat}, {options.ImageResolution}"), rows);
    }

    private static string DataUri(DatasetOptions options, NumpyRandom random)
    {
        (int height, int width) = ImageResolution.Parse(options.ImageResolution).Draw(random);
        byte[] pixels = new byte[height * width * BytesPerPixel];
        if (options.ImageContent == "blank") pixels.AsSpan().Fill(byte.MaxValue);
        else new Random(random.Integers(0, int.MaxValue, 1)[0]).NextBytes(pixels);
        using SKImage image = SKImage.FromPixelCopy(new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque), pixels, width * BytesPerPixel);
        using SKData data = image.Encode(options.ImageFormat == "png" ? SKEncodedImageFormat.Png : SKEncodedImageFormat.Jpeg, JpegQuality);
        return $"data:image/{options.ImageFormat};base64,{Convert.ToBase64String(data.AsSpan())}";
    }
}
