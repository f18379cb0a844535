namespace SgLang.Interop.Tests;

/// <summary>One row of the layout table; the field is empty in the row of a whole struct.</summary>
internal readonly record struct LayoutRow(string Type, string Field, uint Offset, uint Size)
{
    public override string ToString() => $"{Type}.{Field} at {Offset}, {Size} bytes";
}
