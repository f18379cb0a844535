namespace SgLang.Profiling.Tests.Merging;

public sealed class RankFilesTests : IDisposable
{
    private readonly string _directory = TestDirectory.Create("sglang-ranks");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private void Touch(params string[] names)
    {
        foreach (string name in names) File.WriteAllText(Path.Combine(_directory, name), "{}");
    }

    [Fact]
    public void Finding_takes_only_rank_traces_of_the_very_profile()
    {
        Touch("1-TP-0.trace.json.gz", "p-1-TP-1.trace.json.gz", "11-TP-0.trace.json.gz", "merged-1.trace.json.gz", "merged-1-TP-0.trace.json.gz", "1-DP-0.trace.json.gz", "1-TP-2.trace.json", "1-TP-3.txt");
        Assert.Equal(["1-TP-0.trace.json.gz", "1-TP-2.trace.json", "p-1-TP-1.trace.json.gz"], RankFiles.Find(_directory, "1").Select(Path.GetFileName));
        Assert.Equal(4, RankFiles.Find(_directory).Length);
    }

    [Fact]
    public void A_directory_without_traces_means_the_newest_window_below_it()
    {
        Assert.Empty(RankFiles.Find(_directory));
        foreach (string window in new[] { "9", "10", "empty" }) Directory.CreateDirectory(Path.Combine(_directory, window));
        Touch("9/9-TP-0.trace.json.gz", "9/9-TP-1.trace.json.gz", "10/10-TP-0.trace.json.gz", "empty/server_args.json");
        DateTime now = DateTime.UtcNow;
        File.SetLastWriteTimeUtc(Path.Combine(_directory, "9/9-TP-0.trace.json.gz"), now - TimeSpan.FromMinutes(2));
        File.SetLastWriteTimeUtc(Path.Combine(_directory, "10/10-TP-0.trace.json.gz"), now - TimeSpan.FromMinutes(1));
        Assert.Equal(["9-TP-0.trace.json.gz", "9-TP-1.trace.json.gz"], RankFiles.Find(_directory).Select(Path.GetFileName));
        Assert.Equal(["10-TP-0.trace.json.gz"], RankFiles.Find(_directory, "10").Select(Path.GetFileName));
        Touch("1-TP-0.trace.json.gz");
        Assert.Equal(["1-TP-0.trace.json.gz"], RankFiles.Find(_directory).Select(Path.GetFileName));
    }

    [Fact]
    public void Profiles_and_stages_are_merged_apart()
    {
        Touch("9-TP-0-EXTEND.trace.json.gz", "9-TP-0-DECODE.trace.json.gz", "9-TP-1-DP-1-DECODE.trace.json.gz", "a-TP-rest-9-TP-0.trace.json.gz", "8-TP-0.trace.json.gz");
        Assert.Equal(
            ["merged-8.trace.json.gz 1", "merged-9-DECODE.trace.json.gz 2", "merged-9-EXTEND.trace.json.gz 1", "merged-a-TP-rest-9.trace.json.gz 1"],
            RankFiles.Group(RankFiles.Find(_directory)).Select(group => $"{group.MergedName(TraceFormat.Json)} {group.Paths.Count}"));
    }

    [Fact]
    public void Waiting_ends_when_every_rank_is_there_and_has_come_to_rest()
    {
        Touch("1-TP-0.trace.json.gz");
        int looks = 0;
        string[] found = RankFiles.WaitFor(() =>
        {
            if (++looks == 2) Touch("1-TP-1.trace.json.gz");
            if (looks == 3) File.AppendAllText(Path.Combine(_directory, "1-TP-1.trace.json.gz"), " ");
            return RankFiles.Find(_directory);
        }, 2, TimeSpan.FromMinutes(5), TimeProvider.System);
        Assert.Equal(2, found.Length);
        Assert.Equal(4, looks);
    }

    [Fact]
    public void Waiting_gives_up_with_what_there_is()
    {
        Touch("1-TP-0.trace.json.gz");
        Assert.Single(RankFiles.WaitFor(() => RankFiles.Find(_directory), 2, TimeSpan.FromMilliseconds(1), TimeProvider.System));
    }
}
