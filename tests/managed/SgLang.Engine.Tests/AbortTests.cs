using SgLang.Core;

namespace SgLang.Engine.Tests;

public sealed class AbortTests(ITestOutputHelper output)
{
    private const int Workers = 24;

    private enum Ending
    {
        LeftAlone,
        DisposedAtOnce,
        DisposedInTheMiddle,
        ReadCancelled,
        AbortedByRid,
        AbortedByPrefix,
        StoppedByItsReader,
    }

    [Fact]
    public Task Ten_thousand_aborts_and_disconnects_at_random_moments_leave_nothing_behind() => Abuse(10_000, new Random().Next());

    /// <summary>As many requests as SGL_ABORTS says, from SGL_ABORT_SEED on.</summary>
    [Fact(Explicit = true)]
    public Task Many_more_aborts_leave_nothing_behind() => Abuse(
        int.Parse(Environment.GetEnvironmentVariable("SGL_ABORTS") ?? "1000000"), int.Parse(Environment.GetEnvironmentVariable("SGL_ABORT_SEED") ?? "1"));

    private async Task Abuse(int numRequests, int seed)
    {
        output.WriteLine($"seed {seed}");
        await using InferenceEngine engine = ScriptedEngine.Start((plan, outcome) =>
        {
            for (int i = 0; i < plan.NumSamples; i++) outcome.Ids(plan)[i] = Token(plan.KvLength[plan.SampleIndex[i]]);
        }, numPages: 400);
        int next = 0;
        int[] endings = new int[Enum.GetValues<Ending>().Length];
        await Task.WhenAll(Enumerable.Range(0, Workers).Select(worker => Task.Run(async () =>
        {
            var random = new Random(unchecked(seed + worker));
            while (Interlocked.Increment(ref next) <= numRequests)
            {
                Ending ending = (Ending)random.Next(endings.Length);
                Interlocked.Increment(ref endings[(int)ending]);
                await RunOne(engine, worker, random, ending);
            }
        })));
        Assert.All(endings, count => Assert.True(count > 0));
        Assert.True(await engine.FlushCacheAsync(TimeSpan.FromSeconds(30)), engine.Stats.ToString());
        Assert.Equal((0, 0, 0), (engine.Stats.NumRunning, engine.Stats.NumWaiting, engine.Stats.UsedTokens));
        Assert.InRange(engine.Stats.NumAborted, 1, numRequests);
        Assert.Equal(Expected(8, 16), (await Collected.ReadAsync(engine.Submit(ScriptedEngine.Request("after")))).Ids);
    }

    /// <summary>Whatever happens to a request, what it brought is the beginning of what it would have brought.</summary>
    private static async Task RunOne(InferenceEngine engine, int worker, Random random, Ending ending)
    {
        // Few lengths, so that prompts are found in the cache; some outputs outlast the test unless they are ended.
        int prompt = 1 + (random.Next(20) * 13), wanted = MustEnd(ending) && random.Next(2) == 0 ? 500 : 1 + random.Next(30);
        GenerationRequest request = ScriptedEngine.Request($"w{worker}-{random.NextInt64():x}", prompt, wanted) with { IsStreaming = random.Next(2) == 0 };
        await using Generation generation = engine.Submit(request);
        if (ending == Ending.DisposedAtOnce) return;

        using CancellationTokenSource leaving = new();
        if (ending == Ending.ReadCancelled) leaving.CancelAfter(random.Next(4));
        // A request that is not streamed has no chunk before its end: it is ended while it runs.
        int chunksUntilEnding = request.IsStreaming ? random.Next(4) : 0;
        List<int> ids = [];
        FinishReason? finish = null;
        try
        {
            for (int chunks = 0; ; chunks++)
            {
                if (chunks == chunksUntilEnding)
                {
                    if (ending == Ending.DisposedInTheMiddle) return;
                    if (ending == Ending.AbortedByRid) engine.Abort(request.Rid);
                    if (ending == Ending.AbortedByPrefix) engine.Abort($"w{worker}-");
                    if (ending == Ending.StoppedByItsReader && ids.Count > 0) engine.FinishAt(generation, 1 + random.Next(ids.Count), FinishReason.StopString("x"));
                }
                if (await generation.ReadAsync(leaving.Token) is not { } chunk) break;
                Assert.Null(finish);
                ids.AddRange(chunk.TokenIds);
                finish = chunk.Finish;
            }
        }
        catch (OperationCanceledException)
        {
            Assert.Equal(Ending.ReadCancelled, ending);
            return;
        }
        Assert.NotNull(finish);
        Assert.Equal(Expected(prompt, ids.Count), ids);
        if (finish.Value.Kind == FinishKind.Length) Assert.Equal(wanted, ids.Count);
        else Assert.True(finish.Value is { Kind: FinishKind.Abort, StatusCode: 0 } or { Kind: FinishKind.StopString }, finish.ToString());
        if (ending == Ending.LeftAlone) Assert.Equal(FinishReason.Length, finish);
    }

    private static bool MustEnd(Ending ending) => ending is not (Ending.LeftAlone or Ending.StoppedByItsReader);

    private static IEnumerable<int> Expected(int prompt, int count) => Enumerable.Range(prompt, count).Select(Token);

    private static int Token(int kvLength) => kvLength % ScriptedEngine.VocabularySize;
}
