using System.Text;
using System.Text.Json.Nodes;
using SgLang.Protocol;
using SgLang.Protocol.Json;
using SgLang.Server.Serving;

namespace SgLang.Server.Tests.Serving;

public class ToolChoiceTests
{
    private const string Tools = """[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"x":{"$ref":"#/$defs/n"}},"$defs":{"n":{"type":"integer"}}}}},{"type":"function","function":{"name":"g"}}]""";

    [Theory]
    [InlineData("null", ToolChoiceKind.Auto, 2)]
    [InlineData("\"auto\"", ToolChoiceKind.Auto, 2)]
    [InlineData("\"none\"", ToolChoiceKind.None, 2)]
    [InlineData("\"required\"", ToolChoiceKind.Required, 2)]
    [InlineData("""{"type":"function","function":{"name":"g"}}""", ToolChoiceKind.Named, 1)]
    [InlineData("""{"type":"function","name":"g"}""", ToolChoiceKind.Named, 1)]
    internal void Choices_are_understood(string choice, ToolChoiceKind kind, int tools)
    {
        ToolChoice parsed = ToolChoice.Of(Body(Tools, choice));
        Assert.Equal((kind, tools), (parsed.Kind, parsed.Tools.Count));
    }

    [Theory]
    [InlineData(Tools, "\"maybe\"", "tool_choice must be")]
    [InlineData(Tools, "7", "tool_choice must be")]
    [InlineData(Tools, """{"type":"function","function":{"name":"h"}}""", "not among the tools")]
    [InlineData("[]", "\"required\"", "needs tools")]
    [InlineData("null", """{"type":"function","function":{"name":"f"}}""", "not among the tools")]
    [InlineData("""[{"type":"function","function":{"name":"f","parameters":{"a":1,"a":2}}}]""", "\"auto\"", "names a field twice")]
    public void Demands_that_nothing_can_meet_are_refused(string tools, string choice, string message) =>
        Assert.Contains(message, Assert.Throws<InvalidRequestException>(() => ToolChoice.Of(Body(tools, choice))).Message);

    [Fact]
    public void Definitions_of_the_tools_move_to_the_root_of_the_schema()
    {
        JsonNode schema = JsonNode.Parse(ToolChoice.Of(Body(Tools, "\"required\"")).Schema())!;
        Assert.Equal("integer", (string?)schema["$defs"]!["n"]!["type"]);
        Assert.Null(schema["items"]!["anyOf"]![0]!["properties"]!["parameters"]!["$defs"]);
        Assert.Null(schema["maxItems"]);
        Assert.Equal(1, (int?)JsonNode.Parse(ToolChoice.Of(Body(Tools, """{"type":"function","function":{"name":"f"}}""")).Schema())!["maxItems"]);
    }

    private static ChatCompletionRequest Body(string tools, string choice) =>
        RequestJson.Parse(Encoding.UTF8.GetBytes($$"""{"tools":{{tools}},"tool_choice":{{choice}} }"""), ProtocolJsonContext.Default.ChatCompletionRequest);
}
