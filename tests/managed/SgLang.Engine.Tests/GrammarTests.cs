using System.Text.Json;
using System.Text.RegularExpressions;
using SgLang.Core;
using SgLang.Grammars;
using SgLang.Grammars.Matching;

namespace SgLang.Engine.Tests;

/// <summary>Structured output through the whole engine, on the demo model.</summary>
public sealed class GrammarTests(DemoEngine demo) : IClassFixture<DemoEngine>
{
    private const string Person = """{"type":"object","properties":{"name":{"type":"string","maxLength":12},"age":{"type":"integer","minimum":0,"maximum":130},"tags":{"type":"array","items":{"enum":["a","b"]},"maxItems":3}},"required":["name","age","tags"]}""";

    private static int s_count;

    public static EngineOptions Options => TestModels.DemoOptions;

    [Fact]
    public async Task Every_answer_of_a_mixed_batch_fits_its_grammar()
    {
        int seed = Random.Shared.Next();
        Task<Collected>[] runs =
        [
            .. Enumerable.Range(0, 24).Select(i => RunAsync(demo.Engine, (i % 3) switch
            {
                0 => new GrammarSpec(GrammarKind.JsonSchema, Person),
                1 => new GrammarSpec(GrammarKind.Regex, "[A-Z][a-z]{2,9}(, [a-z]{3,8}){2}\\."),
                _ => null,
            }, seed + i, temperature: i % 2 == 0 ? 1.5 : 0)),
        ];
        Collected[] answers = await Task.WhenAll(runs);
        for (int i = 0; i < answers.Length; i++)
        {
            string text = answers[i].Text;
            if (i % 3 == 0) CheckPerson(text, $"seed {seed + i}");
            if (i % 3 == 1) Assert.True(Regex.IsMatch(text, "^[A-Z][a-z]{2,9}(, [a-z]{3,8}){2}\\.$"), $"seed {seed + i}: {text}");
            if (i % 3 != 2) Assert.Equal(FinishKind.StopToken, answers[i].Finish.Kind);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1.2)]
    public async Task Planning_ahead_changes_nothing(double temperature)
    {
        await using InferenceEngine plain = InferenceEngine.Start(Options with { DisableOverlapSchedule = true });
        for (int seed = 1; seed <= 4; seed++)
        {
            GrammarSpec spec = new(GrammarKind.JsonSchema, Person);
            Collected ahead = await RunAsync(demo.Engine, spec, seed, temperature);
            Collected slow = await RunAsync(plain, spec, seed, temperature);
            Assert.Equal(slow.Ids, ahead.Ids);
            CheckPerson(ahead.Text, $"seed {seed}");
        }
    }

    [Fact]
    public async Task Retracted_requests_go_on_where_their_grammar_was()
    {
        // A pool that the requests outgrow together.
        await using InferenceEngine small = InferenceEngine.Start(Options with { MaxTotalTokens = 256, PageSize = 4, ScheduleConservativeness = 0.01, ConstrainedJsonDisableAnyWhitespace = true });
        string schema = """{"type":"array","items":{"type":"integer","minimum":100,"maximum":999},"minItems":24,"maxItems":24}""";
        // Whether six requests meet in the pool is up to when their grammars are compiled: a busy machine needs another round.
        for (int round = 0; round < 20 && small.Stats.NumRetracted == 0; round++)
        {
            Collected[] answers = await Task.WhenAll(Enumerable.Range(1, 6).Select(i => RunAsync(small, new GrammarSpec(GrammarKind.JsonSchema, schema), 6 * round + i, 1, maxNewTokens: 110)));
            foreach (Collected answer in answers)
            {
                using JsonDocument parsed = JsonDocument.Parse(answer.Text);
                Assert.Equal(24, parsed.RootElement.GetArrayLength());
            }
        }
        Assert.True(small.Stats.NumRetracted > 0, "nothing was retracted, so nothing was tested");
    }

    [Fact]
    public async Task Neither_ignore_eos_nor_min_new_tokens_keeps_a_complete_text_from_ending()
    {
        Collected answer = await RunAsync(demo.Engine, new GrammarSpec(GrammarKind.Regex, "yes|no"), 1, 1, ignoreEos: true, minNewTokens: 40);
        Assert.Contains(answer.Text, new[] { "yes", "no" });
        Assert.Equal(FinishKind.StopToken, answer.Finish.Kind);
    }

    [Fact]
    public async Task Penalties_and_biases_do_not_lead_out_of_the_grammar()
    {
        int forbidden = demo.Engine.Tokenizer!.TokenToId("{")!.Value;
        GenerationRequest request = Request(new GrammarSpec(GrammarKind.Regex, "[a-c]{8}"), 3, 1);
        request = request with { Sampling = request.Sampling with { FrequencyPenalty = 2, LogitBias = new Dictionary<int, float> { [forbidden] = 100 } } };
        Collected answer = await Collected.ReadAsync(await demo.Engine.SubmitAsync(request));
        Assert.Matches("^[a-c]{8}$", answer.Text);
    }

    [Fact]
    public async Task A_grammar_that_takes_too_long_is_refused_in_its_time()
    {
        await using InferenceEngine engine = InferenceEngine.Start(Options with { GrammarCompileTimeoutSeconds = 0.02 });
        RequestRejectedException refused = await Assert.ThrowsAsync<RequestRejectedException>(() => RunAsync(engine, new GrammarSpec(GrammarKind.Regex, "(a|b)*a(a|b){18}"), 1, 1));
        Assert.Equal(400, refused.StatusCode);
        Assert.Contains("longer than 0.02 seconds", refused.Message);
        Assert.Equal(1, engine.Stats.Grammars.TimedOut);
        Assert.Equal("yes", (await RunAsync(engine, new GrammarSpec(GrammarKind.Regex, "yes"), 1, 1)).Text);
    }

    [Fact]
    public async Task Grammars_can_be_turned_off()
    {
        await using InferenceEngine engine = InferenceEngine.Start(Options with { EnableGrammars = false });
        RequestRejectedException refused = await Assert.ThrowsAsync<RequestRejectedException>(() => RunAsync(engine, new GrammarSpec(GrammarKind.Regex, "a"), 1, 1));
        Assert.Contains("--grammar-backend none", refused.Message);
    }

    [Fact]
    public async Task Flushing_the_cache_forgets_compiled_grammars()
    {
        EngineOptions options = new() { ModelPath = "scripted", PageSize = 16 };
        GrammarStore store = new(options, () => new TokenVocabulary(2, ["a"u8.ToArray(), null]));
        await using InferenceEngine engine = ScriptedEngine.Start((_, _) => { }, options, grammars: store);
        GrammarSpec spec = new(GrammarKind.Regex, "a+");
        CompiledGrammar first = await store.GetAsync(spec, CancellationToken.None);
        Assert.Same(first, await store.GetAsync(spec, CancellationToken.None));
        Assert.True(await engine.FlushCacheAsync(TimeSpan.FromSeconds(10)));
        Assert.NotSame(first, await store.GetAsync(spec, CancellationToken.None));
    }

    [Fact]
    public async Task A_request_can_be_aborted_while_its_grammar_is_compiled()
    {
        EngineOptions options = new() { ModelPath = "scripted", PageSize = 16 };
        using ManualResetEventSlim mayCompile = new();
        GrammarStore store = new(options, () =>
        {
            mayCompile.Wait();
            return new TokenVocabulary(2, ["a"u8.ToArray(), null]);
        });
        await using InferenceEngine engine = ScriptedEngine.Start((_, _) => Assert.Fail("nothing is to be computed"), options, grammars: store);
        GenerationRequest request = ScriptedEngine.Request("compiling-1");
        request = request with { Sampling = request.Sampling with { Grammar = new GrammarSpec(GrammarKind.Regex, "a+"), StopTokenIds = [1] } };
        Task<Generation> first = engine.SubmitAsync(request).AsTask();
        Task<Generation> second = engine.SubmitAsync(request with { Rid = "compiling-2" }).AsTask();
        RequestRejectedException duplicate = await Assert.ThrowsAsync<RequestRejectedException>(() => engine.SubmitAsync(request).AsTask());
        Assert.Equal("Duplicate request ID detected: compiling-1", duplicate.Message);
        Assert.Equal(2, engine.Stats.NumGrammarQueue);
        engine.Abort("compiling-1");
        Collected result = await Collected.ReadAsync(await first);
        Assert.Equal((FinishKind.Abort, 0, 0), (result.Finish.Kind, result.Finish.StatusCode, result.Ids.Count));
        Assert.Equal(FinishKind.Abort, engine.FindRequest("compiling-1")!.Timeline.Finish!.Value.Kind);
        Assert.False(second.IsCompleted);
        engine.AbortAll();
        Assert.Equal(FinishKind.Abort, (await Collected.ReadAsync(await second)).Finish.Kind);
        mayCompile.Set();
        Assert.Equal((2, 0, 2, 0), (engine.Stats.Grammars.Requests, engine.Stats.Grammars.CacheHits, engine.Stats.Grammars.Aborted, engine.Stats.Grammars.TimedOut));
    }

    private static Task<Collected> RunAsync(InferenceEngine engine, GrammarSpec? grammar, long seed, double temperature, bool ignoreEos = false, int minNewTokens = 0,
        int maxNewTokens = 180) => ReadAsync(engine, Request(grammar, seed, temperature, ignoreEos, minNewTokens, maxNewTokens));

    private static async Task<Collected> ReadAsync(InferenceEngine engine, GenerationRequest request) => await Collected.ReadAsync(await engine.SubmitAsync(request));

    private static GenerationRequest Request(GrammarSpec? grammar, long seed, double temperature, bool ignoreEos = false, int minNewTokens = 0, int maxNewTokens = 180) => new()
    {
        Rid = $"grammar-{Interlocked.Increment(ref s_count)}",
        InputIds = [1, 2, 3, 4, 5, (int)(seed % 100)],
        Sampling = new SamplingParams
        {
            Temperature = temperature, Seed = seed, MaxNewTokens = grammar is null ? 40 : maxNewTokens, Grammar = grammar, IgnoreEos = ignoreEos, MinNewTokens = minNewTokens,
        },
    };

    private static void CheckPerson(string text, string what)
    {
        try
        {
            using JsonDocument parsed = JsonDocument.Parse(text);
            Assert.InRange(parsed.RootElement.GetProperty("age").GetInt32(), 0, 130);
            Assert.True(parsed.RootElement.GetProperty("tags").GetArrayLength() <= 3);
            Assert.Equal(["name", "age", "tags"], parsed.RootElement.EnumerateObject().Select(p => p.Name));
        }
        catch (JsonException e)
        {
            Assert.Fail($"{what}: {text}: {e.Message}");
        }
    }
}
