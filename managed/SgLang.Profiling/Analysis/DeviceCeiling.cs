namespace SgLang.Profiling;

/// <summary>What a device can do at best.</summary>
/// <param name="BytesPerSecond">Of its memory.</param>
/// <param name="FlopsPerSecond">Dense bfloat16 products with float accumulation.</param>
public readonly record struct DeviceCeiling(double BytesPerSecond, double FlopsPerSecond)
{
    /// <summary>Parts of names as the driver gives them, the more particular first; figures of the makers' data sheets, without sparsity.</summary>
    private static readonly (string Part, double TerabytesPerSecond, double TeraflopsPerSecond)[] s_known =
    [
        ("GB200", 8.0, 2450),
        ("B200", 8.0, 2250),
        ("H200", 4.8, 989),
        ("H100 80GB HBM3", 3.35, 989),
        ("H100 SXM", 3.35, 989),
        ("H100 NVL", 3.9, 835),
        ("H100 PCIe", 2.0, 756),
        ("GH200", 4.0, 989),
        ("H20", 4.0, 148),
        ("A100-SXM4-80GB", 2.039, 312),
        ("A100 80GB PCIe", 1.935, 312),
        ("A100-SXM4-40GB", 1.555, 312),
        ("A100-PCIE-40GB", 1.555, 312),
        ("L40S", 0.864, 362),
        ("L4", 0.3, 121),
        ("A10G", 0.6, 70),
        ("RTX 4090", 1.008, 165.2),
        ("RTX 3090", 0.936, 71),
        ("MI300X", 5.3, 1307),
    ];

    public bool IsKnown => BytesPerSecond > 0 && FlopsPerSecond > 0;

    /// <summary>By the device's name; unknown where it is in no table.</summary>
    public static DeviceCeiling Of(string name)
    {
        foreach ((string part, double bytes, double flops) in s_known)
            if (name.Contains(part, StringComparison.OrdinalIgnoreCase)) return new DeviceCeiling(bytes * 1e12, flops * 1e12);
        return default;
    }

    /// <summary>The roofline: nanoseconds that the work takes at least.</summary>
    public double LeastNanoseconds(long flops, long bytes) => Math.Max(flops / FlopsPerSecond, bytes / BytesPerSecond) * 1e9;
}
