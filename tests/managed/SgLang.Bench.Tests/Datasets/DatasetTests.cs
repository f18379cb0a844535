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
    [InlineData("longbench_v2", "", "needs --dataset-path")]
    [InlineData("speed-bench", "", "needs --dataset-path")]
    [InlineData("agentic-trace", "", "needs --dataset-path")]
    public void What_is_missing_is_named(string name, string path, string message)
    {
        Assert.Contains(message, Assert.ThrowsAny<BenchException>(() => Build(new DatasetOptions { Name = name, Path = path })).Message);
    }

    [Fact]
    public void Text_without_a_tokenizer_is_refused_but_ids_are_not()
    {
        Vocabulary none = new(null, 100);
        Assert.Contains("needs a tokenizer", Assert.ThrowsAny<BenchException>(() => Build(new DatasetOptions(), none)).Message);
        Assert.All(Build(new DatasetOptions { Name = "random-ids", NumPrompts = 2 }, none).Rows, row => Assert.Null(row.Text));
    }

    [Fact]
    public void A_trace_keeps_its_times_and_its_shared_blocks()
    {
        string path = FileOf("{\"timestamp\": 3000, \"hash_ids\": [7, 8], \"output_length\": 5}\n{\"timestamp\": 1000, \"hash_ids\": [7, 9], \"output_length\": 6}\nnot json\n{\"timestamp\": 9000}\n");
        Dataset dataset = Build(new DatasetOptions { Name = "mooncake", Path = path, NumPrompts = 9, SlowdownFactor = 2 });
        Assert.Equal([(0.0, 6), (4.0, 5)], dataset.Rows.Select(r => (r.Timestamp!.Value, r.OutputLength)));
        Assert.StartsWith("7 hi hi ", dataset.Rows[0].Text);
        Assert.Equal(2 * 128, dataset.Rows[0].Text!.Split("hi").Length - 1);
        Assert.Equal(dataset.Rows[0].Text!.Split('9')[0], dataset.Rows[1].Text!.Split('8')[0]);
        Assert.Contains("needs --dataset-path", Assert.ThrowsAny<BenchException>(() => Build(new DatasetOptions { Name = "mooncake" })).Message);
    }

    [Fact]
    public void Rounds_of_a_trace_s_session_come_together_and_go_on_from_each_other()
    {
        string path = FileOf("{\"timestamp\": 0, \"hash_ids\": [7], \"output_length\": 4}\n{\"timestamp\": 500, \"hash_ids\": [8], \"output_length\": 2}\n{\"timestamp\": 900, \"hash_ids\": [9], \"output_length\": 2}\n");
        Dataset dataset = Build(new DatasetOptions { Name = "mooncake", Path = path, NumPrompts = 2, MooncakeRounds = 3 });
        Assert.Equal([(0.0, 4), (0.0, 4), (0.0, 4), (0.5, 2), (0.5, 2), (0.5, 2)], dataset.Rows.Select(r => (r.Timestamp!.Value, r.OutputLength)));
        Assert.StartsWith("Round 1: 7 hi hi", dataset.Rows[0].Text);
        Assert.StartsWith(dataset.Rows[0].Text + "story story story story\nRound 2: 7 hi", dataset.Rows[1].Text);
        Assert.StartsWith(dataset.Rows[1].Text + "story story story story\nRound 3: 7 hi", dataset.Rows[2].Text);
        Assert.DoesNotContain("9", dataset.Rows[5].Text);
    }

    [Theory]
    [InlineData("[{0}, {1}, {2}]")]
    [InlineData("{0}\n{1}\n{2}\n")]
    public void Longbench_is_a_text_a_question_and_four_answers(string form)
    {
        string Item(string question) => $$"""{"context": "A text.", "question": "{{question}}", "choice_A": "a1", "choice_B": "b2", "choice_C": "c3", "choice_D": "d4"}""";
        DatasetOptions options = new() { Name = "longbench_v2", Path = FileOf(form.Replace("{0}", Item("Q1?")).Replace("{1}", Item("Q2?")).Replace("{2}", "{\"context\": \"no question\"}")), NumPrompts = 5 };
        Dataset dataset = Build(options);
        Assert.Equal(2, dataset.Rows.Count);
        Assert.Contains("A text.\n\nQuestion: Q1?\nA. a1\nB. b2\nC. c3\nD. d4\nAnswer:", dataset.Rows.Select(r => r.Text));
        Assert.All(dataset.Rows, row => Assert.Equal((10, row.Ids!.Length), (row.OutputLength, row.PromptLength)));
        Assert.Equal(7, Build(options with { ShareGptOutputLength = 7 }).Rows[0].OutputLength);
        Assert.Contains("gave no prompt", Assert.ThrowsAny<BenchException>(() => Build(options with { ShareGptContextLength = 12 })).Message);
    }

    [Fact]
    public void Speed_bench_takes_first_turns_of_a_category_and_repeats_them()
    {
        string path = FileOf("""{"category": "mixed", "turns": ["one", "later"]}""" + "\n" + """{"category": "low_entropy", "turns": ["two"]}""" + "\n" + """{"category": "mixed", "turns": []}""" + "\n");
        DatasetOptions options = new() { Name = "speed-bench", Path = path, NumPrompts = 5 };
        Dataset dataset = Build(options);
        Assert.Equal((5, 512), (dataset.Rows.Count, dataset.Rows[0].OutputLength));
        Assert.Equal(["one", "two"], dataset.Rows.Select(r => r.Text).Distinct().Order());
        Assert.Equal("two", Assert.Single(Build(options with { NumPrompts = 1, SpeedBenchCategory = "low_entropy", SpeedBenchOutputLength = 9 }).Rows, row => row.OutputLength == 9).Text);
    }

    [Fact]
    public void An_agent_s_conversation_is_a_row_with_its_later_turns()
    {
        string path = FileOf("""
            {"conversations": [
              [{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u1"}]}, {"messages": []}, {"messages": [{"role": "tool", "content": "t"}, {"role": "user", "content": "u2"}]}, {"messages": [{"role": "user", "content": "u3"}]}],
              [{"messages": [{"role": "user", "content": "other"}]}], []]}
            """);
        DatasetOptions options = new() { Name = "agentic-trace", Path = path, NumPrompts = 9 };
        Dataset dataset = Build(options);
        Assert.Equal([2, 0], dataset.Rows.Select(row => row.LaterTurns.Count));
        Assert.Equal(["tool", "user"], dataset.Rows[0].LaterTurns[0].Select(message => (string?)message!["role"]));
        Assert.Equal((2, 220), (dataset.Rows[0].Messages!.Count, dataset.Rows[0].OutputLength));
        Assert.Single(Build(options with { AgenticMaxTurns = 2 }).Rows[0].LaterTurns);
        Assert.Equal("other", (string?)Build(options with { Offset = 1 }).Rows[0].Messages![0]!["content"]);
        Assert.Contains("no array \"conversations\"", Assert.ThrowsAny<BenchException>(() => Build(options with { Path = FileOf("{}") })).Message);
    }

    [Fact]
    public void Custom_lines_with_times_are_a_trace()
    {
        string Line(int ms, string text) => $$"""{"timestamp": {{ms}}, "conversations": [{"value": "{{text}} question"}, {"value": "some answer here"}]}""";
        Dataset dataset = Build(new DatasetOptions { Name = "custom", Path = FileOf($"{Line(500, "second")}\n{Line(250, "first")}\n{Line(1250, "third")}\n"), NumPrompts = 3 });
        Assert.Equal([(0.0, "first question"), (0.25, "second question"), (1.0, "third question")], dataset.Rows.Select(r => (r.Timestamp!.Value, r.Text!)));
    }

    [Fact]
    public void Recorded_requests_are_sent_with_what_they_ask_for()
    {
        string path = FileOf("""{"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9, "model": "m", "temperature": 0.5}""" + "\n" + """{"messages": [{"role": "user", "content": "ho"}]}""" + "\n{}\n");
        Dataset dataset = Build(new DatasetOptions { Name = "openai", Path = path, NumPrompts = 5 });
        Assert.Equal([9, 256], dataset.Rows.Select(r => r.OutputLength));
        Assert.Equal("""{"temperature":0.5}""", dataset.Rows[0].ExtraBody!.ToJsonString());
        Assert.Null(dataset.Rows[1].ExtraBody);
        Assert.Equal("hi", (string?)dataset.Rows[0].Messages![0]!["content"]);
        Assert.Single(Build(new DatasetOptions { Name = "openai", Path = path, NumPrompts = 5, Offset = 1 }).Rows);
    }

    [Fact]
    public void Groups_of_the_prefix_set_may_be_of_very_different_size_and_prompts_have_several_turns()
    {
        DatasetOptions options = new()
        {
            Name = "generated-shared-prefix", PrefixGroups = 4, PromptsPerGroup = 50, SystemPromptLength = 8, QuestionLength = 3, PrefixOutputLength = 4, PrefixZipfAlpha = 2,
            SendRoutingKey = true, PrefixTurns = 3, PrefixFastPrepare = true,
        };
        Dataset dataset = Build(options);
        Assert.All(dataset.Rows, row => Assert.Equal((2, 0, null), (row.LaterTurns.Count, row.PromptLength, row.Ids)));
        int[] sizes = [.. Enumerable.Range(0, 4).Select(group => dataset.Rows.Count(row => row.RoutingKey == $"group-{group}"))];
        Assert.Equal(200, sizes.Sum());
        Assert.True(sizes[0] > sizes[1] && sizes[1] > sizes[3], string.Join(' ', sizes));
        Assert.All(dataset.Rows.GroupBy(row => row.RoutingKey), group => Assert.Single(group.Select(row => row.Text!.Split("\n\n")[0]).Distinct()));

        Dataset ranged = Build(options with { PrefixRangeRatio = 0.25, PrefixOutputLength = 100 });
        Assert.InRange(ranged.Rows.Min(row => row.OutputLength), 25, 60);
        Assert.InRange(ranged.Rows.Max(row => row.OutputLength), 61, 100);
    }

    [Fact]
    public void The_chat_template_wraps_a_prompt_and_leaves_the_begin_token_to_the_tokenizer()
    {
        Tokenizer tokenizer = s_demo.Tokenizer!;
        string begin = tokenizer.TokenText(tokenizer.BosTokenId!.Value)!;
        Vocabulary vocabulary = Vocabulary.Of(tokenizer, ChatTemplate.Parse(begin + "<u>{{ messages[0].content }}</u>"));
        Dataset plain = Build(new DatasetOptions { NumPrompts = 3 }), wrapped = Build(new DatasetOptions { NumPrompts = 3, ApplyChatTemplate = true }, vocabulary);
        Assert.Equal(plain.Rows.Select(row => $"<u>{row.Text}</u>"), wrapped.Rows.Select(row => row.Text));
        Assert.Contains("--apply-chat-template needs a chat template", Assert.ThrowsAny<BenchException>(() => Build(new DatasetOptions { ApplyChatTemplate = true })).Message);
    }
}
