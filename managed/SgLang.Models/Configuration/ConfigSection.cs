using System.Globalization;
using System.Text.Json;

namespace SgLang.Models;

/// <summary>
/// The keys of one JSON object with, for each, the place the user would change it. A later layer replaces whole keys of an earlier one.
/// A key that is null counts as absent.
/// </summary>
internal sealed class ConfigSection(string prefix)
{
    private readonly Dictionary<string, (JsonElement Value, string Source)> _entries = [];

    public void Add(JsonElement value, string source)
    {
        foreach (JsonProperty property in value.EnumerateObject()) Set(property.Name, property.Value, source);
    }

    public void Set(string key, JsonElement value, string source) => _entries[key] = (value.Clone(), source);

    public bool Has(string key) => _entries.TryGetValue(key, out var entry) && entry.Value.ValueKind != JsonValueKind.Null;

    /// <summary>True when the key is there even if its value is null.</summary>
    public bool Mentions(string key) => _entries.ContainsKey(key);

    public int Int(string key, int? fallback = null, int minimum = 1)
    {
        if (!Has(key)) return fallback ?? throw Missing(key);
        JsonElement value = _entries[key].Value;
        // Some exporters write whole numbers as 4096.0.
        if (value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number == Math.Floor(number)
            && number >= minimum && number <= int.MaxValue)
            return (int)number;
        throw Invalid(key, $"an integer of at least {minimum}");
    }

    public double Positive(string key, double? fallback = null)
    {
        if (!Has(key)) return fallback ?? throw Missing(key);
        JsonElement value = _entries[key].Value;
        if (value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number > 0 && double.IsFinite(number)) return number;
        throw Invalid(key, "a positive number");
    }

    public double? PositiveOrNull(string key) => Has(key) ? Positive(key) : null;

    public double? NumberOrNull(string key)
    {
        if (!Has(key)) return null;
        return _entries[key].Value.ValueKind == JsonValueKind.Number ? _entries[key].Value.GetDouble() : throw Invalid(key, "a number");
    }

    public bool Bool(string key, bool fallback)
    {
        if (!Has(key)) return fallback;
        return _entries[key].Value.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => throw Invalid(key, "true or false"),
        };
    }

    public string? Text(string key)
    {
        if (!Has(key)) return null;
        return _entries[key].Value.ValueKind == JsonValueKind.String ? _entries[key].Value.GetString() : throw Invalid(key, "a string");
    }

    public IReadOnlyList<string> Texts(string key)
    {
        if (!Has(key)) return [];
        JsonElement value = _entries[key].Value;
        if (value.ValueKind != JsonValueKind.Array) throw Invalid(key, "a list of strings");
        var texts = new List<string>();
        foreach (JsonElement item in value.EnumerateArray())
            texts.Add(item.ValueKind == JsonValueKind.String ? item.GetString()! : throw Invalid(key, "a list of strings"));
        return texts;
    }

    /// <summary>One integer or a list of them; empty when absent.</summary>
    public IReadOnlyList<int> Ints(string key)
    {
        if (!Has(key)) return [];
        JsonElement value = _entries[key].Value;
        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int single)) return [single];
        if (value.ValueKind != JsonValueKind.Array) throw Invalid(key, "an integer or a list of integers");
        var numbers = new List<int>();
        foreach (JsonElement item in value.EnumerateArray())
            numbers.Add(item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out int number) ? number : throw Invalid(key, "an integer or a list of integers"));
        return numbers;
    }

    public ConfigSection? Section(string key)
    {
        if (!Has(key)) return null;
        (JsonElement value, string source) = _entries[key];
        if (value.ValueKind != JsonValueKind.Object) throw Invalid(key, "an object");
        var section = new ConfigSection(prefix + key + ".");
        section.Add(value, source);
        return section;
    }

    public ModelConfigException Invalid(string key, string allowed)
    {
        (JsonElement value, string source) = _entries[key];
        string seen = value.GetRawText();
        if (seen.Length > 80) seen = seen[..77] + "...";
        return new($"{source}: {prefix}{key} is {seen}; it must be {allowed}.");
    }

    public ModelConfigException Missing(string key)
    {
        string source = "config.json";
        foreach (var entry in _entries.Values) source = entry.Source;
        return new($"{source}: {prefix}{key} is missing.");
    }

    public static string Number(double value) => value.ToString("R", CultureInfo.InvariantCulture);
}
