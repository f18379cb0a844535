namespace SgLang.Scheduling.Tests;

public sealed class RequestListTests
{
    [Fact]
    public void Order_survives_removals_from_both_ends_and_the_middle()
    {
        var list = new RequestList();
        Request[] requests = [.. Enumerable.Range(0, 5).Select(i => Harness.Make($"r{i}", [1]))];
        foreach (Request request in requests) list.Append(request);
        list.Remove(requests[2]);
        list.Remove(requests[0]);
        list.Remove(requests[4]);
        list.Append(requests[0]);
        Assert.Equal("r1 r3 r0", Text(list));
        Assert.Equal(3, list.Count);
        foreach (Request request in new[] { requests[3], requests[0], requests[1] }) list.Remove(request);
        Assert.Equal((0, null, null), (list.Count, list.First, list.Last));
    }

    [Fact]
    public void A_request_is_in_one_list_only()
    {
        var (a, b) = (new RequestList(), new RequestList());
        Request request = Harness.Make("r", [1]);
        a.Append(request);
        Assert.Throws<InvalidOperationException>(() => b.Append(request));
        Assert.Throws<InvalidOperationException>(() => b.Remove(request));
    }

    private static string Text(RequestList list)
    {
        var rids = new List<string>();
        for (Request? request = list.First; request is not null; request = request.Next) rids.Add(request.Rid);
        return string.Join(' ', rids);
    }
}
