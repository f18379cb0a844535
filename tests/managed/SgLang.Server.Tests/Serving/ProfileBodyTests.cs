using System.Text;
using SgLang.Profiling;
using SgLang.Protocol;
using SgLang.Server.Serving;

namespace SgLang.Server.Tests.Serving;

public sealed class ProfileBodyTests : IDisposable
{
    private readonly string _root = TestDirectory.Create("sglang-root");

    public void Dispose() => Directory.Delete(_root, recursive: true);

    private static ProfileOptions Parse(string body, string? root = null, params (string Name, string Value)[] variables) => ProfileBody.Parse(
        Encoding.UTF8.GetBytes(body), name => variables.FirstOrDefault(v => v.Name == name).Value, DateTimeOffset.FromUnixTimeMilliseconds(1773999986485), root);

    private string Refusal(string body) => Assert.Throws<MalformedBodyException>(() => Parse(body, _root)).Message;

    [Fact]
    public void Files_stay_below_the_root()
    {
        Assert.Equal(_root, Parse("", _root).OutputDirectory);
        Assert.Equal(_root, Parse($$"""{"output_dir": "{{_root}}/"}""", _root).OutputDirectory.TrimEnd('/'));
        Assert.Equal($"{_root}/a/b", Parse($$"""{"output_dir": "{{_root}}/a/b"}""", _root).OutputDirectory);
        foreach (string outside in (string[])["/tmp", "/", $"{_root}/../x", $"{_root}x", "~"])
            Assert.Contains("--profile-output-root", Refusal($$"""{"output_dir": "{{outside}}"}"""));
        Assert.Contains("--profile-output-root", Assert.Throws<MalformedBodyException>(() => Parse("", _root, (ProfileBody.DirectoryVariable, "/var"))).Message);
        // A link inside that leads out.
        Directory.CreateSymbolicLink(Path.Combine(_root, "link"), "/tmp");
        Assert.Contains("--profile-output-root", Refusal($$"""{"output_dir": "{{_root}}/link/x"}"""));
    }

    [Fact]
    public void A_dump_of_the_flight_recorder_stays_below_the_root_as_well()
    {
        static FlightBody Flight(string body, string? root) => ProfileBody.ParseFlight(Encoding.UTF8.GetBytes(body), root);
        Assert.Equal(default, Flight("", _root));
        Assert.Equal(new FlightBody($"{_root}/a", TimeSpan.FromSeconds(2.5), "x"), Flight($$"""{"output_dir": "{{_root}}/a", "seconds": "2.5", "profile_id": "x"}""", _root));
        foreach (string wrong in (string[])["""{"output_dir": "/tmp"}""", """{"seconds": 0}""", """{"seconds": -1}""", """{"seconds": 3601}""", """{"seconds": "NaN"}""", """{"profile_id": "a/b"}"""])
            Assert.Throws<MalformedBodyException>(() => Flight(wrong, _root));
    }

    [Fact]
    public void Conditions_are_read_and_checked()
    {
        StepCondition condition = Parse("""{"condition": {"min_batch_size": "32", "rid": "r1", "prefill_longer_than": 1000}}""").Condition;
        Assert.Equal(new StepCondition(32, "r1", 1000), condition);
        Assert.True(Parse("{}").Condition.IsNone);
        Assert.True(Parse("""{"condition": {}}""").Condition.IsNone);
        Assert.Contains("condition must be an object", Refusal("""{"condition": 3}"""));
        Assert.Contains("got batch", Refusal("""{"condition": {"batch": 3}}"""));
        Assert.Contains("min_batch_size", Refusal("""{"condition": {"min_batch_size": -1}}"""));
    }

    [Fact]
    public void The_environment_has_its_say()
    {
        ProfileOptions options = Parse("""{"profile_by_stage": true}""", null, (ProfileBody.DecodeBatchVariable, "16"), (ProfileBody.SecondManagerVariable, "1"),
            (ProfileBody.DirectoryVariable, "/profiles"), (ProfileSwitches.ShapesVariable, "False"), (ProfileSwitches.StackVariable, "0"));
        Assert.Equal(new StepCondition(MinDecodeBatchSize: 16), options.Condition);
        Assert.True(options.UsesLowercaseStages);
        Assert.Equal("/profiles", options.OutputDirectory);
        Assert.Equal((false, false), (options.RecordShapes, options.WithStack));
        Assert.Equal("1773999986.485", options.Id);
        Assert.True(Parse("{}", null, (ProfileBody.DecodeBatchVariable, "16")).Condition.IsNone);
    }
}
