namespace SgLang.Profiling;

/// <summary>`Input type` and `Input Dims` of an operator's first input, as Kineto writes them.</summary>
internal static class TraceShapes
{
    public static void Write(JsonText json, int rank, byte type, long a, long b, long c, long d)
    {
        json.Raw("\"Input type\":["u8);
        json.Raw(TypeName(type));
        json.Raw("],\"Input Dims\":[["u8);
        for (int i = 0; i < rank; i++)
        {
            if (i > 0) json.Raw(","u8);
            json.Number(i switch { 0 => a, 1 => b, 2 => c, _ => d });
        }
        json.Raw("]]"u8);
    }

    /// <summary>By the numbering of the C interface's element types.</summary>
    private static ReadOnlySpan<byte> TypeName(byte type) => type switch
    {
        0 => "\"float\""u8,
        1 => "\"c10::BFloat16\""u8,
        2 => "\"c10::Half\""u8,
        3 => "\"int\""u8,
        4 => "\"long int\""u8,
        5 => "\"unsigned char\""u8,
        6 => "\"c10::Float8_e4m3fn\""u8,
        _ => "\"c10::Float8_e5m2\""u8,
    };
}
