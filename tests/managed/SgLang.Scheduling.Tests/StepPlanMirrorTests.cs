using SgLang.Core;

namespace SgLang.Scheduling.Tests;

/// <summary>Plans that went through bytes are the plans they were.</summary>
public sealed class StepPlanMirrorTests
{
    [Fact]
    public void Every_step_of_a_busy_scheduler_comes_out_as_it_went_in()
    {
        int seed = Random.Shared.Next();
        Random random = new(seed);
        Scheduler scheduler = new(new SchedulerOptions
        {
            MaxRunningRequests = 9, NumPages = 90, PageSize = 4, ContextLength = 300, VocabularySize = 1000, ChunkedPrefillSize = 32, EnableMixedChunk = random.Next(2) == 0,
        });
        StepPlanMirror mirror = new();
        Dictionary<int, (Request Request, int NumRetractions)> known = [];
        byte[] bytes = [];
        int numSteps = 0, numRequests = 0;
        while (numSteps < 400)
        {
            if (numRequests < 60 && random.Next(3) == 0)
            {
                int[] prompt = [.. Enumerable.Range(0, random.Next(1, 90)).Select(_ => random.Next(1000))];
                LogprobOptions? logprobs = random.Next(3) == 0 ? new LogprobOptions { StartLength = random.Next(prompt.Length) } : null;
                Request request = new($"r{numRequests++}", prompt, new SamplingParams { MaxNewTokens = random.Next(1, 40), MinNewTokens = random.Next(2) }, [1], logprobs);
                scheduler.TryEnqueue(request, out _);
            }
            numSteps++;
            if (scheduler.Plan() is not { } plan) continue;
            for (int i = 0; i < plan.NumRequests; i++)
            {
                Request request = plan.Requests[i];
                int row = plan.Rows[i];
                if (known.TryGetValue(row, out var last) && last == (request, request.NumRetractions)) continue;
                known[row] = (request, request.NumRetractions);
                Request copy = new(request.Rid, [.. request.PromptIds], request.SamplingParams, [], request.LogprobOptions);
                mirror.Introduce(row, copy, request.OutputIds, request.MinNewTokens, request.NumRetractions);
            }
            int length = plan.WriteTo(ref bytes);
            StepPlan read = mirror.Read(bytes.AsSpan(0, length));
            AssertSame(plan, read, $"seed {seed}, step {plan.StepId}");
            scheduler.Commit(plan, [.. Enumerable.Range(0, plan.NumSamples).Select(_ => random.Next(2, 1000))]);
            scheduler.ClearEvents();
        }
        Assert.True(numRequests > 30, $"seed {seed}: {numRequests} requests are too few to show anything");
    }

    [Fact]
    public void Bytes_that_are_no_plan_are_refused()
    {
        Scheduler scheduler = new(new SchedulerOptions { MaxRunningRequests = 4, NumPages = 64, PageSize = 16, ContextLength = 256, VocabularySize = 100, ChunkedPrefillSize = 256 });
        scheduler.TryEnqueue(new Request("r", [1, 2, 3], new SamplingParams { MaxNewTokens = 4 }, [], null), out _);
        byte[] bytes = [];
        int length = scheduler.Plan()!.WriteTo(ref bytes);
        StepPlanMirror mirror = new();
        Assert.Contains("which is nobody's", Assert.Throws<InvalidDataException>(() => mirror.Read(bytes.AsSpan(0, length))).Message);
        Assert.Throws<InvalidDataException>(() => mirror.Read(bytes.AsSpan(0, length - 4)));
        Assert.Throws<InvalidDataException>(() => mirror.Read(bytes.AsSpan(0, 3)));
        bytes[12] = 200;
        Assert.Throws<InvalidDataException>(() => mirror.Read(bytes.AsSpan(0, length)));
    }

    private static void AssertSame(StepPlan plan, StepPlan read, string context)
    {
        Assert.True(plan.StepId == read.StepId && plan.Kind == read.Kind && plan.NumTokens == read.NumTokens && plan.HasInputLogprobs == read.HasInputLogprobs, context);
        Assert.True(plan.NumPrefillRequests == read.NumPrefillRequests && plan.NumPrefillTokens == read.NumPrefillTokens && plan.NumCachedTokens == read.NumCachedTokens && plan.NumEmbeddings == read.NumEmbeddings, context);
        Assert.True(plan.Rows.SequenceEqual(read.Rows), context);
        Assert.True(plan.QueryStart.SequenceEqual(read.QueryStart), context);
        Assert.True(plan.KvLength.SequenceEqual(read.KvLength), context);
        Assert.True(plan.PageStart.SequenceEqual(read.PageStart), context);
        Assert.True(plan.Pages.SequenceEqual(read.Pages), context);
        Assert.True(plan.SampleIndex.SequenceEqual(read.SampleIndex), context);
        Assert.True(plan.InputLogprobStart.SequenceEqual(read.InputLogprobStart), context);
        Assert.True(plan.TokenSources.SequenceEqual(read.TokenSources), context);
        Assert.True(plan.Positions.SequenceEqual(read.Positions), context);
        Assert.True(plan.Slots.SequenceEqual(read.Slots), context);
        Assert.True(plan.LogprobTargets.SequenceEqual(read.LogprobTargets), context);
        for (int i = 0; i < plan.NumRequests; i++)
        {
            Request request = plan.Requests[i], copy = read.Requests[i];
            Assert.True(request.Rid == copy.Rid && request.PromptLength == copy.PromptLength && request.MinNewTokens == copy.MinNewTokens, context);
            Assert.True(request.NumRetractions == copy.NumRetractions && copy.OutputIds.SequenceEqual(request.OutputIds[..copy.OutputLength]), context);
        }
    }
}
