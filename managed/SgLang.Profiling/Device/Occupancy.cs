using SgLang.Interop;

namespace SgLang.Profiling;

/// <summary>
/// How many warps of a kernel fit on a multiprocessor, by the allocation rules of the CUDA occupancy calculator for compute capability 7 and
/// later (https://docs.nvidia.com/cuda/cuda-c-programming-guide, technical specifications).
/// </summary>
internal static class Occupancy
{
    private const int RegistersPerUnit = 256;
    private const int SharedBytesPerUnit = 128;
    private const int WarpsPerUnit = 4;

    /// <summary>Blocks that can be resident on one multiprocessor; 0 where a property is not known.</summary>
    public static unsafe int BlocksPerProcessor(DeviceProperties device, in SglActivity kernel)
    {
        int threads = kernel.Block[0] * kernel.Block[1] * kernel.Block[2];
        if (threads <= 0 || device.ThreadsPerProcessor <= 0) return 0;
        int warps = (threads + device.WarpSize - 1) / device.WarpSize;
        int limit = Math.Min(device.ThreadsPerProcessor / device.WarpSize / warps, device.BlocksPerProcessor > 0 ? device.BlocksPerProcessor : int.MaxValue);
        if (kernel.RegistersPerThread > 0 && device.RegistersPerProcessor > 0)
        {
            int perWarp = RoundUp((int)kernel.RegistersPerThread * device.WarpSize, RegistersPerUnit);
            int residentWarps = device.RegistersPerProcessor / perWarp / WarpsPerUnit * WarpsPerUnit;
            limit = Math.Min(limit, residentWarps / warps);
        }
        long shared = kernel.StaticSharedBytes + kernel.DynamicSharedBytes + device.ReservedSharedBytesPerBlock;
        if (shared > 0 && device.SharedBytesPerProcessor > 0)
            limit = (int)Math.Min(limit, device.SharedBytesPerProcessor / RoundUp((int)shared, SharedBytesPerUnit));
        return limit;
    }

    /// <summary>Percent, as Kineto estimates it: resident warps of those possible, if the grid is spread evenly (spec/profiling.md 10.5).</summary>
    public static unsafe int Percent(DeviceProperties device, in SglActivity kernel, double blocksPerProcessor)
    {
        if (device.ThreadsPerProcessor <= 0) return 0;
        double resident = Math.Min(BlocksPerProcessor(device, in kernel), blocksPerProcessor);
        long threads = (long)kernel.Block[0] * kernel.Block[1] * kernel.Block[2];
        return (int)Math.Round(100 * resident * threads / device.ThreadsPerProcessor, MidpointRounding.AwayFromZero);
    }

    private static int RoundUp(int value, int unit) => (value + unit - 1) / unit * unit;
}
