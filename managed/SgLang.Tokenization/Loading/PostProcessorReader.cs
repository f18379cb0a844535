using System.Text.Json;

namespace SgLang.Tokenization.Loading;

/// <summary>Post-processors reduce to the ids put around a single sequence.</summary>
internal static class PostProcessorReader
{
    private const string Supported = "Sequence, TemplateProcessing, ByteLevel, BertProcessing, RobertaProcessing";

    public static (int[] Before, int[] After) Read(JsonElement? element, string path)
    {
        if (element is not { } value)
        {
            return ([], []);
        }

        string type = value.Text("type", path);
        switch (type)
        {
            case "ByteLevel": // adjusts offsets only
                return ([], []);
            case "Sequence":
                (int[] Before, int[] After) around = ([], []);
                int index = 0;
                foreach (JsonElement item in value.Items("processors", path))
                {
                    (int[] before, int[] after) = Read(item, $"{path}.processors[{index++}]");
                    around = ([.. before, .. around.Before], [.. around.After, .. after]);
                }

                return around;
            case "TemplateProcessing":
                return ReadTemplate(value, path);
            case "BertProcessing" or "RobertaProcessing":
                return ([PairId(value, "cls", path)], [PairId(value, "sep", path)]);
            default:
                throw new TokenizerException($"{path}.type is \"{type}\"; supported: {Supported}");
        }
    }

    private static (int[] Before, int[] After) ReadTemplate(JsonElement element, string path)
    {
        var before = new List<int>();
        var after = new List<int>();
        bool hasSequence = false;
        foreach (JsonElement item in element.Items("single", path))
        {
            if (item.Member("Sequence") is not null)
            {
                hasSequence = hasSequence ? throw new TokenizerException($"{path}.single names its sequence twice") : true;
                continue;
            }

            string name = item.Required("SpecialToken", $"{path}.single").Text("id", $"{path}.single");
            JsonElement token = element.Required("special_tokens", path).Required(name, $"{path}.special_tokens");
            foreach (JsonElement id in token.Items("ids", $"{path}.special_tokens[\"{name}\"]"))
            {
                (hasSequence ? after : before).Add(JsonReading.Integer(id, $"{path}.special_tokens[\"{name}\"].ids"));
            }
        }

        return hasSequence ? ([.. before], [.. after]) : throw new TokenizerException($"{path}.single names no sequence");
    }

    /// <summary>["[CLS]", 101]</summary>
    private static int PairId(JsonElement element, string name, string path)
    {
        JsonElement pair = element.Required(name, path);
        return pair.ValueKind == JsonValueKind.Array && pair.GetArrayLength() == 2
            ? JsonReading.Integer(pair[1], $"{path}.{name}[1]")
            : throw new TokenizerException($"{path}.{name} is {JsonReading.Kind(pair)}; [token, id] is expected");
    }
}
