namespace SgLang.Runtime;

/// <summary>Element types of tensors; values are those of `SglDType`.</summary>
public enum DType
{
    F32 = 0,
    BF16 = 1,
    F16 = 2,
    I32 = 3,
    I64 = 4,
    U8 = 5,
    F8E4M3 = 6,
    F8E5M2 = 7,
}

public static class DTypes
{
    public static int SizeInBytes(this DType dtype) => dtype switch
    {
        DType.I64 => 8,
        DType.F32 or DType.I32 => 4,
        DType.BF16 or DType.F16 => 2,
        _ => 1,
    };

    /// <summary>The name users know: "bfloat16", "float32".</summary>
    public static string Name(this DType dtype) => dtype switch
    {
        DType.F32 => "float32",
        DType.BF16 => "bfloat16",
        DType.F16 => "float16",
        DType.I32 => "int32",
        DType.I64 => "int64",
        DType.U8 => "uint8",
        DType.F8E4M3 => "float8_e4m3",
        _ => "float8_e5m2",
    };
}
