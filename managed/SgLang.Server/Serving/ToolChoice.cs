using System.Text.Json;
using System.Text.Json.Nodes;
using SgLang.Protocol;

namespace SgLang.Server.Serving;

internal enum ToolChoiceKind : byte
{
    None,
    Auto,

    /// <summary>At least one call, of any tool.</summary>
    Required,

    /// <summary>One call of one tool.</summary>
    Named,
}

/// <summary>tools and tool_choice of a chat request.</summary>
internal sealed class ToolChoice
{
    private readonly bool _isParallel;

    private ToolChoice(ToolChoiceKind kind, IReadOnlyList<(string Name, JsonNode? Parameters)> tools, bool isParallel)
    {
        Kind = kind;
        Tools = tools;
        _isParallel = isParallel;
    }

    public ToolChoiceKind Kind { get; }

    /// <summary>Those that may be called.</summary>
    public IReadOnlyList<(string Name, JsonNode? Parameters)> Tools { get; }
    public bool IsDemanded => Kind is ToolChoiceKind.Required or ToolChoiceKind.Named;

    /// <exception cref="InvalidRequestException">Of the wrong form, or a demand that nothing can meet.</exception>
    public static ToolChoice Of(ChatCompletionRequest body)
    {
        List<(string Name, JsonNode? Parameters)> tools = ToolsOf(body.Tools);
        bool isParallel = body.ParallelToolCalls is not false;
        switch (body.ToolChoice)
        {
            case null or { ValueKind: JsonValueKind.Null }:
                return new ToolChoice(tools.Count > 0 ? ToolChoiceKind.Auto : ToolChoiceKind.None, tools, isParallel);
            case { ValueKind: JsonValueKind.String } text when text.ValueEquals("auto"u8):
                return new ToolChoice(ToolChoiceKind.Auto, tools, isParallel);
            case { ValueKind: JsonValueKind.String } text when text.ValueEquals("none"u8):
                return new ToolChoice(ToolChoiceKind.None, tools, isParallel);
            case { ValueKind: JsonValueKind.String } text when text.ValueEquals("required"u8):
                return tools.Count > 0
                    ? new ToolChoice(ToolChoiceKind.Required, tools, isParallel)
                    : throw new InvalidRequestException("tool_choice \"required\" needs tools, and the request has none.");
            case { ValueKind: JsonValueKind.Object } choice when NameOf(choice) is { } name:
                int index = tools.FindIndex(tool => tool.Name == name);
                return index >= 0
                    ? new ToolChoice(ToolChoiceKind.Named, [tools[index]], isParallel: false)
                    : throw new InvalidRequestException($"tool_choice names the function \"{name}\", which is not among the tools.");
            case { } other:
                throw new InvalidRequestException(
                    $"tool_choice must be \"auto\", \"none\", \"required\" or {{\"type\": \"function\", \"function\": {{\"name\": ...}}}}, got {other.GetRawText()}.");
        }
    }

    /// <summary>A list of calls, each with the name of a tool and arguments by its schema.</summary>
    public string Schema()
    {
        var definitions = new JsonObject();
        var calls = new JsonArray();
        foreach ((string name, JsonNode? parameters) in Tools)
        {
            JsonNode arguments = parameters?.DeepClone() ?? new JsonObject { ["type"] = "object" };
            // References point from the root of the schema, which is ours now.
            foreach (string key in new[] { "$defs", "definitions" }) Hoist(arguments, key, name, definitions);
            calls.Add((JsonNode)new JsonObject
            {
                ["type"] = "object",
                ["properties"] = new JsonObject { ["name"] = new JsonObject { ["const"] = name }, ["parameters"] = arguments },
                ["required"] = new JsonArray("name", "parameters"),
                ["additionalProperties"] = false,
            });
        }
        var schema = new JsonObject { ["type"] = "array", ["minItems"] = 1, ["items"] = new JsonObject { ["anyOf"] = calls } };
        if (!_isParallel) schema["maxItems"] = 1;
        foreach ((string key, JsonNode? value) in definitions) schema[key] = value?.DeepClone();
        return schema.ToJsonString();
    }

    private static void Hoist(JsonNode arguments, string key, string tool, JsonObject definitions)
    {
        if (arguments is not JsonObject schema || schema[key] is not JsonObject own) return;
        schema.Remove(key);
        if (definitions[key] is not JsonObject all) definitions[key] = all = [];
        foreach ((string name, JsonNode? value) in own)
        {
            if (all.TryGetPropertyValue(name, out JsonNode? present) && !JsonNode.DeepEquals(present, value))
                throw new InvalidRequestException($"tools define {key}.{name} in different ways (the last in \"{tool}\"); give the definitions different names.");
            all[name] = value?.DeepClone();
        }
    }

    private static string? NameOf(JsonElement choice)
    {
        JsonElement holder = choice.TryGetProperty("function", out JsonElement function) && function.ValueKind == JsonValueKind.Object ? function : choice;
        return holder.TryGetProperty("name", out JsonElement name) && name.ValueKind == JsonValueKind.String ? TextOf(name) : null;
    }

    private static List<(string Name, JsonNode? Parameters)> ToolsOf(JsonElement? tools)
    {
        var list = new List<(string, JsonNode?)>();
        if (tools is not { ValueKind: not JsonValueKind.Null } given) return list;
        if (given.ValueKind != JsonValueKind.Array) throw new InvalidRequestException($"tools must be a list, got {given.ValueKind switch { JsonValueKind.Object => "an object", JsonValueKind.String => "a string", _ => given.GetRawText() }}.");
        int index = 0;
        foreach (JsonElement tool in given.EnumerateArray())
        {
            if (tool.ValueKind != JsonValueKind.Object || !tool.TryGetProperty("function", out JsonElement function) || function.ValueKind != JsonValueKind.Object
                || !function.TryGetProperty("name", out JsonElement name) || name.ValueKind != JsonValueKind.String)
                throw new InvalidRequestException($"tools[{index}] must be an object with a function that has a name.");
            bool hasParameters = function.TryGetProperty("parameters", out JsonElement parameters) && parameters.ValueKind != JsonValueKind.Null;
            list.Add((TextOf(name), hasParameters ? Parse(parameters, index) : null));
            index++;
        }
        return list;
    }

    private static JsonNode? Parse(JsonElement parameters, int index)
    {
        try
        {
            return JsonNode.Parse(parameters.GetRawText(), default, new JsonDocumentOptions { AllowDuplicateProperties = false });
        }
        catch (JsonException e)
        {
            throw new InvalidRequestException($"tools[{index}].function.parameters names a field twice.", e);
        }
    }

    private static string TextOf(JsonElement text)
    {
        try
        {
            return text.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw new InvalidRequestException("The name of a function must be Unicode text; it has half of a surrogate pair.", e);
        }
    }
}
