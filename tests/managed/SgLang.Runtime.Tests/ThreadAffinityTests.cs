namespace SgLang.Runtime.Tests;

public sealed class ThreadAffinityTests
{
    [Fact]
    public void A_thread_is_bound_alone()
    {
        int[] all = ThreadAffinity.Read(), own = [];
        Assert.NotEmpty(all);
        Thread thread = new(() =>
        {
            Assert.True(ThreadAffinity.TrySet([all[^1]]));
            own = ThreadAffinity.Read();
        });
        thread.Start();
        thread.Join();
        Assert.Equal([all[^1]], own);
        Assert.Equal(all, ThreadAffinity.Read());
    }

    [Fact]
    public void Processors_that_are_not_there_are_refused() => Assert.False(ThreadAffinity.TrySet([8191]));
}
