using System.Text;

namespace SgLang.BindingsGen.Writers;

/// <summary>Lines with indentation. Always `\n`, so that output does not depend on the machine.</summary>
internal sealed class CodeWriter
{
    private readonly StringBuilder _text = new();
    private int _indent;

    public void Line(string text = "") => _text.Append(' ', text.Length == 0 ? 0 : 4 * _indent).Append(text).Append('\n');

    public void Open(string text)
    {
        Line(text);
        Line("{");
        _indent++;
    }

    public void Close(string end = "}")
    {
        _indent--;
        Line(end);
    }

    public override string ToString() => _text.ToString();
}
