using Parquet;
using Parquet.Schema;
using SgLang.Bench.Datasets;
using SgLang.Tokenization;
using SkiaSharp;

namespace SgLang.Bench.Tests.Datasets;

/// <summary>Data sets from Parquet files.</summary>
public class ParquetTests
{
    private static readonly Vocabulary s_demo = Vocabulary.Of(Tokenizer.Load(DemoModel.ModelPath));

    private static Dataset Build(DatasetOptions options, TextWriter? notices = null) => DatasetBuilder.Build(options, s_demo, notices ?? TextWriter.Null);

    private static string NewPath() => Path.ChangeExtension(DemoModel.ResultFile(), ".parquet");

    private static byte[] Image(SKEncodedImageFormat format)
    {
        using SKBitmap bitmap = new(6, 4);
        bitmap.Erase(SKColors.Red);
        using SKData data = bitmap.Encode(format, 90);
        return data.ToArray();
    }

    /// <summary>As the published files are: an image is a struct of bytes and path, and each row group is compressed.</summary>
    private static async Task<string> MmmuFile(CompressionMethod compression, params (string? Question, byte[]? Image)[][] groups)
    {
        string path = NewPath();
        ParquetSchema schema = new(new DataField<string>("id"), new DataField<string>("question"), new StructField("image_1", new DataField("bytes", typeof(byte[])), new DataField<string>("path")));
        DataField[] fields = schema.GetDataFields();
        await using FileStream file = File.Create(path);
        await using ParquetWriter writer = await ParquetWriter.CreateAsync(schema, file, new ParquetOptions { CompressionMethod = compression });
        foreach ((string? Question, byte[]? Image)[] rows in groups)
        {
            using ParquetRowGroupWriter group = writer.CreateRowGroup();
            await group.WriteAsync(fields[0], [.. rows.Select((_, i) => $"test_Math_{i}")]);
            await group.WriteAsync(fields[1], [.. rows.Select(row => row.Question!)]);
            await group.WriteAsync(fields[2], [.. rows.Select(row => row.Image!)]);
            await group.WriteAsync(fields[3], [.. rows.Select(_ => (string)null!)]);
            group.CompleteValidate();
        }
        return path;
    }

    private static DatasetOptions Mmmu(string path) => new() { Name = "mmmu", Path = path, NumPrompts = 10, RandomOutputLength = 5 };

    [Theory]
    [InlineData(CompressionMethod.None)]
    [InlineData(CompressionMethod.Snappy)]
    [InlineData(CompressionMethod.Zstd)]
    public async Task Mmmu_is_each_question_with_its_first_image_as_png(CompressionMethod compression)
    {
        byte[] png = Image(SKEncodedImageFormat.Png), jpeg = Image(SKEncodedImageFormat.Jpeg);
        string path = await MmmuFile(compression, [("one <image 1>?", png), (null, png), ("no image", null)], [("two", jpeg), ("broken", [1, 2, 3])]);
        using StringWriter notices = new();
        IReadOnlyList<PromptRow> rows = Build(Mmmu(path), notices).Rows;
        Assert.Equal(["Question: one <image 1>?\n\nAnswer: ", "Question: two\n\nAnswer: "], rows.Select(row => row.Text));
        Assert.Equal($"data:image/png;base64,{Convert.ToBase64String(png)}", rows[0].Images.Single());
        byte[] converted = Convert.FromBase64String(rows[1].Images.Single()["data:image/png;base64,".Length..]);
        using SKBitmap image = SKBitmap.Decode(converted);
        Assert.Equal((6, 4), (image.Width, image.Height));
        Assert.Equal([(byte)0x89, (byte)'P', (byte)'N', (byte)'G'], converted[..4]);
        Assert.All(rows, row => Assert.Equal((5, s_demo.Tokenizer!.Encode(row.Text!, addSpecialTokens: true).Length), (row.OutputLength, row.PromptLength)));
        Assert.Contains("1 images of", notices.ToString());
        Assert.Contains("Only 2 of 10 prompts", notices.ToString());
        Assert.Equal("Question: two\n\nAnswer: ", Build(Mmmu(path) with { Offset = 1 }).Rows.Single().Text);
    }

    [Fact]
    public async Task Longbench_is_the_same_from_parquet_as_from_json_lines()
    {
        string[] keys = ["context", "question", "choice_A", "choice_B", "choice_C", "choice_D"];
        string[][] items = [.. Enumerable.Range(0, 3).Select(i => keys.Select(key => $"{key} {i}").ToArray())];
        string lines = DemoModel.ResultFile(), path = NewPath();
        File.WriteAllLines(lines, items.Select(item => $"{{{string.Join(", ", keys.Select((key, i) => $"\"{key}\": \"{item[i]}\""))}}}"));
        ParquetSchema schema = new(keys.Select(key => new DataField<string>(key)));
        await using (FileStream file = File.Create(path))
        await using (ParquetWriter writer = await ParquetWriter.CreateAsync(schema, file))
        {
            using ParquetRowGroupWriter group = writer.CreateRowGroup();
            for (int i = 0; i < keys.Length; i++) await group.WriteAsync(schema.GetDataFields()[i], [.. items.Select(item => item[i])]);
            group.CompleteValidate();
        }
        DatasetOptions options = new() { Name = "longbench_v2", NumPrompts = 3, ShareGptContextLength = 1000 };
        Assert.Equal(Build(options with { Path = lines }).Hash, Build(options with { Path = path }).Hash);
    }

    [Fact]
    public async Task A_file_of_something_else_is_refused_by_its_columns_or_as_no_parquet()
    {
        string mmmu = await MmmuFile(CompressionMethod.Snappy, [("q", Image(SKEncodedImageFormat.Png))]);
        Assert.Contains("has no column context of texts; its columns are id, question, image_1/bytes, image_1/path",
            Assert.Throws<BenchUsageException>(() => Build(new DatasetOptions { Name = "longbench_v2", Path = mmmu })).Message);
        string text = NewPath();
        File.WriteAllText(text, "no parquet, but long enough to hold the marks at both ends of a file");
        Assert.Contains("as Parquet", Assert.Throws<BenchUsageException>(() => Build(Mmmu(text))).Message);
        File.WriteAllBytes(text, File.ReadAllBytes(mmmu)[..200]);
        Assert.Contains("as Parquet", Assert.Throws<BenchUsageException>(() => Build(Mmmu(text))).Message);
        File.WriteAllText(text, "");
        Assert.Contains("as Parquet", Assert.Throws<BenchUsageException>(() => Build(Mmmu(text))).Message);
    }
}
