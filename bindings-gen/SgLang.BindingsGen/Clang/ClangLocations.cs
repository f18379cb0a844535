using System.Text.Json;
using SgLang.BindingsGen.Model;

namespace SgLang.BindingsGen.Clang;

/// <summary>
/// Where each node of the tree begins. Clang prints a file or a line only where it differs from the location printed before
/// it, so the whole tree is walked once, in order, carrying both along.
/// </summary>
internal sealed class ClangLocations
{
    private readonly Dictionary<string, SourceLocation> _byId = new(StringComparer.Ordinal);
    private readonly string _headerFolder;
    private string _file = "";
    private int _line;

    public ClangLocations(JsonElement translationUnit, string headerFolder)
    {
        _headerFolder = headerFolder;
        Walk(translationUnit);
    }

    /// <summary>The header and line on which the node begins, macros expanded; null for nodes of system headers.</summary>
    public SourceLocation? Find(JsonElement node) =>
        node.TryGetProperty("id", out JsonElement id) && _byId.TryGetValue(id.GetString()!, out SourceLocation location)
            ? location
            : null;

    private void Walk(JsonElement node)
    {
        if (node.ValueKind == JsonValueKind.Array)
        {
            foreach (JsonElement element in node.EnumerateArray())
            {
                Walk(element);
            }
        }
        else if (node.ValueKind == JsonValueKind.Object)
        {
            foreach (JsonProperty property in node.EnumerateObject())
            {
                switch (property.Name)
                {
                    case "loc":
                        Advance(property.Value);
                        break;
                    case "range":
                        WalkRange(node, property.Value);
                        break;
                    default:
                        Walk(property.Value);
                        break;
                }
            }
        }
    }

    private void WalkRange(JsonElement node, JsonElement range)
    {
        if (Advance(range.GetProperty("begin")) && node.TryGetProperty("id", out JsonElement id))
        {
            string header = Path.GetRelativePath(_headerFolder, _file).Replace('\\', '/');
            if (!header.StartsWith("..", StringComparison.Ordinal) && !Path.IsPathRooted(header))
            {
                _byId[id.GetString()!] = new SourceLocation(header, _line);
            }
        }
        Advance(range.GetProperty("end"));
    }

    /// <summary>Moves to a printed location; false where there is none, as for builtin declarations.</summary>
    private bool Advance(JsonElement location)
    {
        if (location.TryGetProperty("spellingLoc", out JsonElement spelling))
        {
            Advance(spelling);
            // NOTE: last, because a declaration begins where its macro is used, not where it is defined.
            return Advance(location.GetProperty("expansionLoc"));
        }
        if (location.TryGetProperty("file", out JsonElement file))
        {
            _file = file.GetString()!;
        }
        if (location.TryGetProperty("line", out JsonElement line))
        {
            _line = line.GetInt32();
        }
        return location.TryGetProperty("offset", out _);
    }
}
