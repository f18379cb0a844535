using System.Text.Json.Nodes;

namespace SgLang.Grammars.Tests.Json;

/// <summary>Schemas of every supported keyword in random combination.</summary>
internal sealed class RandomSchema(int seed)
{
    private readonly Random _random = new(seed);

    public JsonObject Make(int depth = 3)
    {
        int kind = _random.Next(depth > 0 ? 9 : 5);
        return kind switch
        {
            0 => Text(),
            1 => Integer(),
            2 => Number(),
            3 => new JsonObject { ["type"] = _random.Next(2) == 0 ? "boolean" : "null" },
            4 => new JsonObject { ["enum"] = new JsonArray("x\"y", _random.Next(100), null, true, "ü") },
            5 or 6 => Object(depth - 1),
            7 => Array(depth - 1),
            _ => new JsonObject { ["anyOf"] = new JsonArray(Make(depth - 1), Make(depth - 1)) },
        };
    }

    private JsonObject Text()
    {
        var schema = new JsonObject { ["type"] = "string" };
        int min = _random.Next(4);
        switch (_random.Next(4))
        {
            case 0:
                schema["minLength"] = min;
                schema["maxLength"] = min + _random.Next(6);
                break;
            case 1:
                schema["pattern"] = $"^[a-z\"\\\\é]{{{min},{min + 4}}}$";
                break;
            case 2:
                schema["format"] = _random.Next(2) == 0 ? "date-time" : "uuid";
                break;
        }
        return schema;
    }

    private JsonObject Integer()
    {
        int low = _random.Next(-3000, 3000);
        var schema = new JsonObject { ["type"] = "integer" };
        if (_random.Next(3) > 0) schema["minimum"] = low;
        if (_random.Next(3) > 0) schema["maximum"] = low + _random.Next(5000);
        return schema;
    }

    private JsonObject Number()
    {
        decimal low = _random.Next(-300000, 300000) / 1000m;
        var schema = new JsonObject { ["type"] = "number" };
        if (_random.Next(3) > 0) schema["minimum"] = low;
        if (_random.Next(3) > 0) schema["maximum"] = low + 0.001m + _random.Next(400000) / 1000m;
        return schema;
    }

    private JsonObject Array(int depth)
    {
        int min = _random.Next(3);
        var schema = new JsonObject { ["type"] = "array", ["items"] = Make(depth), ["minItems"] = min };
        if (_random.Next(2) == 0) schema["maxItems"] = min + _random.Next(3);
        return schema;
    }

    private JsonObject Object(int depth)
    {
        var properties = new JsonObject();
        var required = new JsonArray();
        int count = _random.Next(1, 5);
        for (int i = 0; i < count; i++)
        {
            string name = $"p{_random.Next(20)}\"\\ü"[..(_random.Next(3) == 0 ? ^0 : 2)];
            if (properties.ContainsKey(name)) continue;
            properties[name] = Make(depth);
            if (_random.Next(2) == 0) required.Add((JsonNode)name);
        }
        var schema = new JsonObject { ["type"] = "object", ["properties"] = properties, ["required"] = required };
        switch (_random.Next(4))
        {
            case 0:
                schema["additionalProperties"] = false;
                break;
            case 1:
                schema["additionalProperties"] = Make(depth - 1);
                break;
        }
        return schema;
    }
}
