using System.Globalization;
using System.Text;
using SgLang.Profiling;
using SgLang.Runtime;

namespace SgLang.Models;

/// <summary>
/// NVTX ranges around modules. A range's text is a Python dictionary literal (spec/profiling.md 9.1): the module's path below the root, the
/// parameters it owns, its inputs' shapes, and what never changes about it.
/// </summary>
public sealed class ModuleRanges
{
    private readonly (byte[] Before, byte[] After)[] _texts;
    private readonly byte[] _text;

    /// <param name="root">What every path begins with, such as the model's path.</param>
    public ModuleRanges(IModel model, string root)
    {
        _texts = [.. model.Modules.Select(module => (Encoding.UTF8.GetBytes(Before(module, root)), Encoding.UTF8.GetBytes(After(module))))];
        // Room for the digits of four dimensions.
        _text = new byte[_texts.Max(text => text.Before.Length + text.After.Length) + 128];
    }

    internal void Push(int module, in Tensor input)
    {
        (byte[] before, byte[] after) = _texts[module];
        before.CopyTo(_text, 0);
        int length = before.Length;
        if (!input.IsNone)
        {
            Add(", 'Inputs': [["u8, ref length);
            for (int i = 0; i < input.Rank; i++)
            {
                if (i > 0) Add(", "u8, ref length);
                _ = input[i].TryFormat(_text.AsSpan(length), out int written, provider: CultureInfo.InvariantCulture);
                length += written;
            }
            Add("]]"u8, ref length);
        }
        Add(after, ref length);
        NvtxRanges.Push(_text.AsSpan(0, length));
    }

    internal void Pop() => NvtxRanges.Pop();

    private void Add(ReadOnlySpan<byte> text, ref int length)
    {
        text.CopyTo(_text.AsSpan(length));
        length += text.Length;
    }

    private static string Before(ModuleInfo module, string root)
    {
        string text = $"{{'Module': {Quote(root.Length == 0 ? module.Path : $"{root}.{module.Path}")}";
        if (module.Parameters.Count == 0) return text;
        return $"{text}, 'TrainableParams': {{{string.Join(", ", module.Parameters.Select(p => $"'{p.Name}': [{string.Join(", ", p.Shape)}]"))}}}";
    }

    private static string After(ModuleInfo module)
    {
        string text = module.StaticParameters.Count == 0
            ? ""
            : $", 'StaticParams': {{{string.Join(", ", module.StaticParameters.Select(p => $"'{p.Name}': {p.Value}"))}}}";
        return text + "}\0";
    }

    /// <summary>As Python writes a string.</summary>
    private static string Quote(string text) => "'" + text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal) + "'";
}
