using SgLang.Server.Http;

namespace SgLang.Server.Tests.Http;

public sealed class RequestTurnsTests
{
    private static readonly TimeSpan s_deadline = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Requests_that_come_together_take_few_places_in_the_pool_s_queue()
    {
        const int Requests = 2000;
        using ManualResetEventSlim opened = new();
        long before = ThreadPool.PendingWorkItemCount;
        Task[] requests = [.. Enumerable.Range(0, Requests).Select(_ => RequestAsync())];
        long pending = ThreadPool.PendingWorkItemCount - before;
        opened.Set();
        await Task.WhenAll(requests).WaitAsync(s_deadline);
        // Others' tests are in the pool too.
        Assert.True(pending < Requests / 4, $"{pending} work items");

        async Task RequestAsync()
        {
            await RequestTurns.Take();
            opened.Wait();
        }
    }

    [Fact]
    public async Task Each_turn_comes_once_however_many_threads_ask()
    {
        const int Threads = 8, Turns = 5000;
        int[] taken = new int[Threads * Turns];
        await Task.WhenAll(Enumerable.Range(0, Threads).Select(thread => Task.Run(async () =>
        {
            for (int i = 0; i < Turns; i++)
            {
                await RequestTurns.Take();
                Interlocked.Increment(ref taken[(thread * Turns) + i]);
            }
        }))).WaitAsync(s_deadline);
        Assert.All(taken, count => Assert.Equal(1, count));
    }
}
