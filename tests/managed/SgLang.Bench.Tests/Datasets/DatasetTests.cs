using SgLang.Bench.Datasets;
using SgLang.Bench.Statistics;
using SgLang.Tokenization;

namespace SgLang.Bench.Tests.Datasets;

public class DatasetTests
{
    private static readonly Vocabulary s_demo = Vocabulary.Of(Tokenizer.Load(DemoModel.ModelPath));

    private static Dataset Build(DatasetOptions options, Vocabulary? vocabulary = null) => DatasetBuilder.Build(options, vocabulary ?? s_demo, TextWriter.Null);

    private static string FileOf(string text)
    {
        string path = DemoModel.ResultFile();
        File.WriteAllText(path, text);
        return path;
    }

    [Fact]
    public void Random_ids_are_the_draws_of_the_specification()
    {
        DatasetOptions options = new() { Name = "random-ids", NumPrompts = 3, RandomInputLength = 20, RandomOutputLength = 10, TokenizePrompt = true };
        var numpy = new NumpyRandom(42);
        int[] inputs = numpy.Integers(1, 21, 3), outputs = numpy.Integers(1, 11, 3), offsets = numpy.Integers(0, 1000, 3);
        Dataset dataset = Build(options, new Vocabulary(null, 1000));
        Assert.Equal(inputs, dataset.Rows.Select(r => r.Ids!.Length));
        Assert.Equal(outputs, dataset.Rows.Select(r => r.OutputLength));
        for (int k = 0; k < 3; k++) Assert.Equal(Enumerable.Range(0, inputs[k]).Select(j => (offsets[k] + k + j) % 1000), dataset.Rows[k].Ids!);
    }

    [Fact]
    public void A_range_ratio_of_1_fixes_the_lengths()
    {
        Dataset dataset = Build(new DatasetOptions { Name = "random", NumPrompts = 5, RandomInputLength = 33, RandomOutputLength = 7, RandomRangeRatio = 1, TokenizePrompt = true });
        Assert.All(dataset.Rows, row => Assert.Equal((33, 33, 7), (row.PromptLength, row.Ids!.Length, row.OutputLength)));
    }

    [Fact]
    public void Text_is_counted_as_it_will_be_encoded()
    {
        Dataset dataset = Build(new DatasetOptions { Name = "random-ids", NumPrompts = 4, RandomInputLength = 50, RandomOutputLength = 7 });
        Assert.All(dataset.Rows, row => Assert.Equal(s_demo.Tokenizer!.Encode(row.Text!, addSpecialTokens: true).Length, row.PromptLength));
    }

    [Fact]
    public void Ten_prompts_need_neither_file_nor_network_and_repeat()
    {
        var notices = new StringWriter();
        Dataset dataset = DatasetBuilder.Build(new DatasetOptions { NumPrompts = 10 }, s_demo, notices);
        Assert.Equal(10, dataset.Rows.Count);
        Assert.Contains("using the built-in conversations", notices.ToString());
        Assert.Equal(dataset.Hash, Build(new DatasetOptions { NumPrompts = 10 }).Hash);
        Assert.NotEqual(dataset.Hash, Build(new DatasetOptions { NumPrompts = 10, Seed = 43 }).Hash);
    }

    [Fact]
    public void The_built_in_lengths_are_the_documented_ones()
    {
        List<Exchange> all = Conversations.BuiltIn();
        double answers = all.Average(e => e.Answer.Split(' ').Length) / 0.75;
        Assert.InRange(answers, Conversations.MeanAnswerTokens * 0.9, Conversations.MeanAnswerTokens * 1.1);
        Assert.Equal(all, Conversations.BuiltIn());
    }

    [Fact]
    public void Sharegpt_takes_the_first_two_turns_and_leaves_out_what_does_not_fit()
    {
        string long_ = string.Join(' ', Enumerable.Repeat("nation", 200));
        string path = FileOf($$"""[{"conversations": [{"from": "human", "value": "What is the state of the Union?"}, {"from": "gpt", "value": "It is strong, my fellow Americans."}, {"from": "human", "value": "third"}]}, {"conversations": [{"value": "only one"}]}, {"conversations": [{"value": "{{long_}}"}, {"value": "too long for this context"}]}]""");
        Dataset dataset = Build(new DatasetOptions { Path = path, NumPrompts = 5, ShareGptContextLength = 100 });
        PromptRow row = Assert.Single(dataset.Rows);
        Assert.Equal("What is the state of the Union?", row.Text);
        Assert.Equal(s_demo.Tokenizer!.Encode("It is strong, my fellow Americans.", addSpecialTokens: true).Length, row.OutputLength);
        Assert.Equal(12, Build(new DatasetOptions { Path = path, NumPrompts = 1, ShareGptContextLength = 100, ShareGptOutputLength = 12 }).Rows[0].OutputLength);
    }

    [Fact]
    public void Custom_lines_that_are_not_json_are_left_out_and_said()
    {
        string path = FileOf("{\"conversation\": [{\"content\": \"a question here\"}, {\"content\": \"an answer here\"}]}\nnot json\n\n");
        var notices = new StringWriter();
        Assert.Single(DatasetBuilder.Build(new DatasetOptions { Name = "custom", Path = path, NumPrompts = 3 }, s_demo, notices).Rows);
        Assert.Contains("1 lines of", notices.ToString());
        Assert.Contains("Only 1 of 3 prompts", notices.ToString());
    }

    [Fact]
    public void Prompts_of_a_group_share_their_beginning()
    {
        DatasetOptions options = new() { Name = "generated-shared-prefix", PrefixGroups = 2, PromptsPerGroup = 3, SystemPromptLength = 40, QuestionLength = 5, PrefixOutputLength = 4, IsOrdered = true };
        Dataset dataset = Build(options);
        Assert.Equal(6, dataset.Rows.Count);
        string[] prefixes = [.. dataset.Rows.Select(r => r.Text!.Split("\n\n")[0])];
        Assert.Equal(prefixes[0], prefixes[2]);
        Assert.NotEqual(prefixes[0], prefixes[3]);
        Assert.NotEqual(dataset.Hash, Build(options with { IsOrdered = false }).Hash);
    }

    [Theory]
    [InlineData("sharegpt", "/nowhere.json", "cannot read '/nowhere.json'")]
    [InlineData("custom", "", "needs --dataset-path")]
    public void What_is_missing_is_named(string name, string path, string message)
    {
        Assert.Contains(message, Assert.Throws<BenchException>(() => Build(new DatasetOptions { Name = name, Path = path })).Message);
    }

    [Fact]
    public void Text_without_a_tokenizer_is_refused_but_ids_are_not()
    {
        Vocabulary none = new(null, 100);
        Assert.Contains("needs a tokenizer", Assert.Throws<BenchException>(() => Build(new DatasetOptions(), none)).Message);
        Assert.All(Build(new DatasetOptions { Name = "random-ids", NumPrompts = 2 }, none).Rows, row => Assert.Null(row.Text));
    }
}
