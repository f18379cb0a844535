using System.Text.Json.Nodes;
using SgLang.Bench.Datasets;
using SgLang.Bench.Serving;
using SgLang.Bench.Statistics;
using SgLang.Tokenization;
using SkiaSharp;

namespace SgLang.Bench.Tests.Datasets;

public class ImageSetTests
{
    private static readonly Vocabulary s_demo = Vocabulary.Of(Tokenizer.Load(DemoModel.ModelPath));

    private static readonly DatasetOptions s_options = new()
    {
        Name = "image", NumPrompts = 5, RandomInputLength = 12, RandomOutputLength = 7, RandomRangeRatio = 1, ImageResolution = "20x30",
    };

    private static Dataset Build(DatasetOptions options, TextWriter? notices = null) => DatasetBuilder.Build(options, s_demo, notices ?? TextWriter.Null);

    private static SKBitmap Decode(string uri, string format)
    {
        string head = $"data:image/{format};base64,";
        Assert.StartsWith(head, uri);
        byte[] bytes = Convert.FromBase64String(uri[head.Length..]);
        using SKCodec codec = SKCodec.Create(new MemoryStream(bytes));
        Assert.Equal(format == "png" ? SKEncodedImageFormat.Png : SKEncodedImageFormat.Jpeg, codec.EncodedFormat);
        return SKBitmap.Decode(bytes);
    }

    [Theory]
    [InlineData("jpeg")]
    [InlineData("png")]
    public void Every_request_has_a_text_and_images_of_its_own(string format)
    {
        using StringWriter notices = new();
        Dataset dataset = Build(s_options with { ImageCount = 2, ImageFormat = format }, notices);
        Assert.Equal(5, dataset.Rows.Count);
        Assert.Equal(10, dataset.Rows.SelectMany(row => row.Images).Distinct().Count());
        foreach (PromptRow row in dataset.Rows)
        {
            Assert.Equal((2, 7), (row.Images.Count, row.OutputLength));
            Assert.Equal(s_demo.Tokenizer!.Encode(row.Text!, addSpecialTokens: true).Length, row.PromptLength);
            using SKBitmap image = Decode(row.Images[0], format);
            Assert.Equal((20, 30), (image.Height, image.Width));
            Assert.True(image.Pixels.Distinct().Count() > 100, "the pixels are not of random colours");
        }
        Assert.Contains($"10 random {format} images of 20x30", notices.ToString());
    }

    [Fact]
    public void Blank_images_are_white()
    {
        using SKBitmap image = Decode(Build(s_options with { ImageContent = "blank" }).Rows[0].Images[0], "jpeg");
        Assert.Equal([SKColors.White], image.Pixels.Distinct());
    }

    [Fact]
    public void The_seed_and_the_images_are_in_the_hash()
    {
        string hash = Build(s_options).Hash;
        Assert.Equal(hash, Build(s_options).Hash);
        Assert.NotEqual(hash, Build(s_options with { Seed = 43 }).Hash);
        Assert.NotEqual(hash, Build(s_options with { ImageContent = "blank" }).Hash);
    }

    [Fact]
    public void Counts_and_sizes_may_be_drawn()
    {
        Dataset dataset = Build(s_options with { NumPrompts = 40, ImageCount = 3, HasRandomImageCount = true, ImageResolution = "random:2x3-5x4" });
        Assert.Equal([1, 2, 3], dataset.Rows.Select(row => row.Images.Count).Distinct().Order());
        HashSet<(int, int)> sizes = [];
        foreach (string uri in dataset.Rows.SelectMany(row => row.Images))
        {
            using SKBitmap image = Decode(uri, "jpeg");
            sizes.Add((image.Height, image.Width));
        }
        Assert.Equal([2, 3, 4, 5], sizes.Select(size => size.Item1).Distinct().Order());
        Assert.Equal([3, 4], sizes.Select(size => size.Item2).Distinct().Order());
    }

    [Theory]
    [InlineData("4k", 2160, 3840)]
    [InlineData("1080p", 1080, 1920)]
    [InlineData("720p", 720, 1280)]
    [InlineData("360p", 360, 640)]
    [InlineData("7x9", 7, 9)]
    public void A_resolution_is_a_name_or_height_and_width(string text, int height, int width)
    {
        Assert.Equal((height, width), ImageResolution.Parse(text).Draw(new NumpyRandom(1)));
    }

    [Theory]
    [InlineData("8k")]
    [InlineData("0x5")]
    [InlineData("5x16385")]
    [InlineData("5x")]
    [InlineData("random:5x5")]
    [InlineData("5x5-6x6")]
    [InlineData("random:5x5-4x6")]
    [InlineData("")]
    public void Another_resolution_is_refused(string text)
    {
        Assert.Throws<FormatException>(() => ImageResolution.Parse(text));
    }

    [Fact]
    public void Chat_messages_have_the_images_before_the_text_and_generate_has_image_data()
    {
        PromptRow row = new() { Text = "what?", Images = ["data:a", "data:b"], PromptLength = 2, OutputLength = 3 };
        ServingOptions options = new() { BaseUrl = new Uri("http://h") };
        JsonArray content = Backend.All.Single(b => b.Name == "vllm-chat").Body(row, 3, "m", null, options)["messages"]![0]!["content"]!.AsArray();
        Assert.Equal("""[{"type":"image_url","image_url":{"url":"data:a"}},{"type":"image_url","image_url":{"url":"data:b"}},{"type":"text","text":"what?"}]""", content.ToJsonString());
        Assert.Equal("""["data:a","data:b"]""", Backend.Sglang.Body(row, 3, "m", null, options)["image_data"]!.ToJsonString());
        Assert.Equal("what?", (string?)Backend.All.Single(b => b.Name == "sglang-oai-chat").Body(row with { Images = [] }, 3, "m", null, options)["messages"]![0]!["content"]);
    }
}
