using SgLang.Cli.Parsing;

namespace SgLang.Cli.Tests.Parsing;

public sealed class ConfigFileTests : IDisposable
{
    private readonly string _directory = TestDirectory.Create("sgl-config");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private static string Arguments(string yaml) => string.Join(" | ", ConfigFile.ToArguments(new StringReader(yaml), "x.yaml"));

    private static string YamlError(string yaml) => Assert.Throws<UsageException>(() => ConfigFile.ToArguments(new StringReader(yaml), "x.yaml")).Message;

    private string Write(string name, string yaml)
    {
        string path = Path.Combine(_directory, name);
        File.WriteAllText(path, yaml);
        return path;
    }

    [Fact]
    public void Values_become_flags()
    {
        Assert.Equal("--model-path=a b | --port=30001 | --mem-fraction-static=0.8 | --weight-version=true", Arguments("model-path: a b\nport: 30001\nmem_fraction_static: 0.8\nweight-version: \"true\"\n"));
    }

    [Fact]
    public void True_is_presence_and_false_and_null_are_absence()
    {
        Assert.Equal("--enable-metrics", Arguments("enable-metrics: true\nlog-requests: false\napi-key: null\nhost:\n"));
    }

    [Fact]
    public void Lists_expand_and_mappings_become_json()
    {
        Assert.Equal("--cuda-graph-bs | 1 | 2 | 4", Arguments("cuda-graph-bs: [1, 2, 4]\n"));
        Assert.Equal("--cuda-graph-bs | 1 | 2", Arguments("cuda-graph-bs:\n  - 1\n  - 2\n"));
        Assert.Equal("""--json-model-override-args={"num_hidden_layers":1,"rope":{"type":"linear","factor":2.5},"on":true,"ids":[1,"x",null]}""",
            Arguments("json-model-override-args:\n  num_hidden_layers: 1\n  rope: {type: linear, factor: 2.5}\n  \"on\": true\n  ids: [1, x, ~]\n"));
        Assert.Equal("", Arguments("cuda-graph-bs: []\n"));
    }

    [Fact]
    public void The_root_must_be_a_mapping()
    {
        Assert.Equal("--config: 'x.yaml' must be a mapping of flag names to values", YamlError("- a\n- b\n"));
        Assert.Equal("--config: 'x.yaml' must be a mapping of flag names to values", YamlError(""));
        Assert.StartsWith("--config: 'x.yaml' is not YAML: ", YamlError("a: [1, 2\n"));
    }

    [Fact]
    public void The_command_line_wins_wherever_the_file_is_named()
    {
        string path = Write("c.yaml", "port: 1\nhost: h\n");
        Assert.Equal(["--port=1", "--host=h", "--port", "2"], ConfigFile.Expand(["--port", "2", "--config", path]));
        Assert.Equal(["--port=1", "--host=h", "--port", "2"], ConfigFile.Expand([$"--config={path}", "--port", "2"]));
        Assert.Equal(["--port=1", "--host=h"], ConfigFile.Expand(["--conf", path]));
    }

    [Fact]
    public void What_is_wrong_with_the_file_is_named()
    {
        string path = Write("c.yaml", "port: 1\n");
        Assert.Equal("--config may be given once", Assert.Throws<UsageException>(() => ConfigFile.Expand(["--config", path, "--config", path])).Message);
        Assert.Equal("--config: must be a .yaml or .yml file, got 'c.json'", Assert.Throws<UsageException>(() => ConfigFile.Expand(["--config", "c.json"])).Message);
        Assert.StartsWith("--config: cannot read 'no.yaml': ", Assert.Throws<UsageException>(() => ConfigFile.Expand(["--config", "no.yaml"])).Message);
        Assert.Equal("--config needs a value: a .yaml or .yml file", Assert.Throws<UsageException>(() => ConfigFile.Expand(["--config"])).Message);
    }
}
