using System.Runtime.InteropServices;
using SgLang.Runtime;

namespace SgLang.Models.Weights;

/// <summary>Norm weights and biases: small vectors converted on the host to the type the operators want, F32 or BF16.</summary>
internal static class VectorConverter
{
    public static void Upload(DeviceContext context, in Tensor destination, ReadOnlySpan<byte> source, DType sourceType)
    {
        if (sourceType == destination.DType)
        {
            context.Upload(destination, source);
            return;
        }
        var values = new float[destination.NumElements];
        switch (sourceType)
        {
            case DType.F32:
                MemoryMarshal.Cast<byte, float>(source).CopyTo(values);
                break;
            case DType.F16:
                ReadOnlySpan<Half> halves = MemoryMarshal.Cast<byte, Half>(source);
                for (int i = 0; i < values.Length; i++) values[i] = (float)halves[i];
                break;
            default:
                ReadOnlySpan<ushort> bits = MemoryMarshal.Cast<byte, ushort>(source);
                for (int i = 0; i < values.Length; i++) values[i] = BitConverter.UInt32BitsToSingle((uint)bits[i] << 16);
                break;
        }
        Upload(context, destination, values);
    }

    public static void Upload(DeviceContext context, in Tensor destination, ReadOnlySpan<float> values)
    {
        if (destination.DType == DType.F32)
        {
            context.Upload(destination, values);
            return;
        }
        var bits = new ushort[values.Length];
        for (int i = 0; i < bits.Length; i++) bits[i] = ToBFloat16(values[i]);
        context.Upload<ushort>(destination, bits);
    }

    /// <summary>Round to nearest even; NaN stays NaN.</summary>
    internal static ushort ToBFloat16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value)) return (ushort)((bits >> 16) | 0x40);
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }
}
