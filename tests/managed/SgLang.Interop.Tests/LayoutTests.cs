using System.Globalization;
using System.Text.RegularExpressions;

namespace SgLang.Interop.Tests;

/// <summary>The compiler asserts the generated numbers, the library exports its own, and here the CLR must agree with both.</summary>
public sealed unsafe partial class LayoutTests
{
    [Fact]
    public void Clr_lays_structs_out_as_the_library_was_compiled()
    {
        int count;
        SglLayoutEntry* entries = SglNative.sgl_abi_layout(&count);
        var exported = new List<LayoutRow>();
        for (int i = 0; i < count; i++)
        {
            exported.Add(new LayoutRow(
                SglNative.Text(entries[i].Type), SglNative.Text(entries[i].Field), entries[i].Offset, entries[i].Size));
        }

        Assert.NotEmpty(exported);
        Assert.Equal(exported, ManagedLayout.Rows());
    }

    [Fact]
    public void Clr_lays_structs_out_as_the_static_asserts_demand()
    {
        string text = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "native/src/abi/generated/abi_layout.inc"));
        Dictionary<string, uint> asserted = StaticAssert().Matches(text)
            .ToDictionary(m => m.Groups[1].Value, m => uint.Parse(m.Groups[2].Value, CultureInfo.InvariantCulture));

        LayoutRow[] rows = [.. ManagedLayout.Rows()];
        Assert.All(rows, row =>
        {
            if (row.Field.Length == 0)
            {
                Assert.Equal(asserted[$"sizeof({row.Type})"], row.Size);
            }
            else
            {
                Assert.Equal(asserted[$"offsetof({row.Type}, {row.Field})"], row.Offset);
                Assert.Equal(asserted[$"sizeof({row.Type}::{row.Field})"], row.Size);
            }
        });
        Assert.Equal(asserted.Keys.Count(k => k.StartsWith("offsetof", StringComparison.Ordinal)), rows.Count(r => r.Field.Length > 0));
    }

    [Fact]
    public void A_tensor_is_80_bytes_with_strides_last()
    {
        SglTensor tensor;

        Assert.Equal(80, sizeof(SglTensor));
        Assert.Equal(16, (byte*)tensor.Shape - (byte*)&tensor);
        Assert.Equal(48, (byte*)tensor.Stride - (byte*)&tensor);
    }

    [Fact]
    public void A_handle_is_as_wide_as_a_pointer() => Assert.Equal(sizeof(nint), sizeof(SglContext));

    [GeneratedRegex(@"static_assert\(((?:sizeof|offsetof)\(sgl_[^)]+\)) == (\d+)\);")]
    private static partial Regex StaticAssert();
}
