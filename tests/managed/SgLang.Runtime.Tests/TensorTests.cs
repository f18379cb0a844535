using SgLang.Interop;

namespace SgLang.Runtime.Tests;

public unsafe class TensorTests
{
    [Fact]
    public void A_tensor_is_bit_for_bit_the_library_s()
    {
        Assert.Equal(sizeof(SglTensor), sizeof(Tensor));
        var tensor = new Tensor(0x1000, DType.BF16, 2, 3, 5, 7);
        SglTensor native = *(SglTensor*)&tensor;
        Assert.Equal(0x1000, (nint)native.Data);
        Assert.Equal(SglDType.BF16, native.DType);
        Assert.Equal(4, native.Rank);
        Assert.Equal([2, 3, 5, 7], new Span<long>(native.Shape, 4).ToArray());
        Assert.Equal([105, 35, 7, 1], new Span<long>(native.Stride, 4).ToArray());
    }

    [Fact]
    public void Types_have_the_library_s_values()
    {
        foreach (DType dtype in Enum.GetValues<DType>()) Assert.Equal(dtype.ToString(), ((SglDType)dtype).ToString());
        Assert.Equal(Enum.GetValues<SglDType>().Length, Enum.GetValues<DType>().Length);
        Assert.Equal((int)SglEpilogue.SiluMul, (int)Epilogue.SiluMul);
        Assert.Equal((int)SglRopeLayout.Interleaved, (int)RopeLayout.Interleaved);
        Assert.Equal(sizeof(SglSamplingRow), sizeof(SamplingRow));
    }

    [Fact]
    public void Columns_split_into_heads_keep_their_rows_stride()
    {
        var x = new Tensor(0, DType.F32, 17, 48);
        Tensor heads = x.Columns(16, 32).SplitLast(4, 8);
        Assert.Equal(16 * 4, heads.Data);
        Assert.Equal((3, 17L, 4L, 8L), (heads.Rank, heads[0], heads[1], heads[2]));
        Assert.Equal((48L, 8L, 1L), (heads.Stride(0), heads.Stride(1), heads.Stride(2)));
        Assert.False(heads.IsDense);
        Assert.True(x.IsDense);
    }

    [Fact]
    public void Rows_start_after_whole_rows()
    {
        Tensor rows = new Tensor(100, DType.BF16, 9, 5).Rows(3, 2);
        Assert.Equal(100 + 3 * 5 * 2, rows.Data);
        Assert.Equal(2, rows.NumRows);
        Assert.True(rows.IsDense);
        Assert.Equal(20, rows.NumBytes);
    }

    [Fact]
    public void Views_outside_of_a_tensor_are_refused()
    {
        var x = new Tensor(0, DType.F32, 4, 6);
        Assert.Throws<ArgumentOutOfRangeException>(() => x.Rows(3, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => x.Columns(-1, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => x[2]);
        Assert.Throws<ArgumentException>(() => x.SplitLast(4, 2));
        Assert.Throws<ArgumentException>(() => x.Reshape(5, 5));
        Assert.Throws<ArgumentException>(() => x.Columns(0, 3).Reshape(12));
        Assert.Throws<ArgumentException>(() => new Tensor(0, DType.F32, 1, 1, 1, 1, 1));
        Assert.Throws<ArgumentException>(() => new Tensor(0, DType.F32, -1));
    }

    [Fact]
    public void Empty_and_absent_tensors_differ()
    {
        Assert.True(default(Tensor).IsNone);
        Assert.Equal("none", default(Tensor).ToString());
        var empty = new Tensor(0, DType.F32, 0, 5);
        Assert.False(empty.IsNone);
        Assert.Equal(0, empty.NumElements);
        Assert.Equal("[0, 5] f32", empty.ToString());
    }

    [Fact]
    public void Views_allocate_nothing()
    {
        long sum = 0;
        Assert.Equal(0, Allocation.Of(() =>
        {
            for (int i = 0; i < 100; i++) sum += new Tensor(i, DType.F32, 17, 48).Columns(16, 32).SplitLast(4, 8).Rows(1, 2).Data;
        }));
        Assert.NotEqual(0, sum);
    }

    [Fact]
    public void A_repeated_row_is_the_same_memory_in_every_row()
    {
        Tensor repeated = new Tensor(1000, DType.F32, 3, 5).RepeatRow(2, 7);
        Assert.Equal((1000 + (2 * 5 * sizeof(float)), 7L, 5L), (repeated.Data, repeated[0], repeated[1]));
        Assert.Equal((0L, 1L), (repeated.Stride(0), repeated.Stride(1)));
    }
}
