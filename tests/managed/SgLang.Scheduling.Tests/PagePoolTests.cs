namespace SgLang.Scheduling.Tests;

public sealed class PagePoolTests
{
    [Fact]
    public void Pages_are_numbered_from_one_because_zero_is_the_dummy()
    {
        var pool = new PagePool(3);
        Assert.Equal([1, 2, 3], new[] { pool.Allocate(), pool.Allocate(), pool.Allocate() });
        Assert.Equal(0, pool.FreeCount);
    }

    [Fact]
    public void Freeing_a_page_twice_throws()
    {
        var pool = new PagePool(3);
        int page = pool.Allocate();
        pool.Free(page);
        Assert.Throws<InvalidOperationException>(() => pool.Free(page));
    }

    [Fact]
    public void An_empty_pool_throws_instead_of_handing_out_a_page_in_use()
    {
        var pool = new PagePool(1);
        pool.Allocate();
        Assert.Throws<InvalidOperationException>(() => pool.Allocate());
    }
}
