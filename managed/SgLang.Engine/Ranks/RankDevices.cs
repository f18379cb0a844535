using SgLang.Core;
using SgLang.Runtime;

namespace SgLang.Engine;

/// <summary>Which device each rank is on, in the order of <see cref="RankPlace.All"/>.</summary>
internal sealed record RankDevices(DeviceKind Kind, int[] Ordinals)
{
    /// <summary>Ranks that the peer kernels serve (native/src/cuda/comm).</summary>
    private const int MaxRanksOfSharedGpu = 8;

    /// <summary>Throws <see cref="EngineStartException"/> when there are too few devices.</summary>
    public static RankDevices Assign(EngineOptions options, int numRanks)
    {
        if (options.Device == DeviceKind.Cuda && DeviceContext.Count(DeviceKind.Cuda) == 0)
            throw new EngineStartException($"--device cuda: no GPU can be used: {DeviceContext.UnavailableReason(DeviceKind.Cuda)}. Use --device cpu.");
        DeviceKind kind = DeviceContext.Resolve(options.Device);
        return kind == DeviceKind.Cpu ? new RankDevices(kind, new int[numRanks]) : new RankDevices(kind, Gpus(options, numRanks, DeviceContext.Count(kind)));
    }

    /// <summary>From --device-map, or counted from --base-gpu-id by --gpu-id-step.</summary>
    internal static int[] Gpus(EngineOptions options, int numRanks, int numGpus)
    {
        int[] ordinals = new int[numRanks];
        if (options.DeviceMap.Count > 0 && options.DeviceMap.Count != numRanks)
            throw new EngineStartException($"--device-map names {options.DeviceMap.Count} GPUs; one for each of {numRanks} ranks (tp x pp x dp) is needed.");
        for (int rank = 0; rank < numRanks; rank++)
        {
            int ordinal = options.DeviceMap.Count > 0 ? options.DeviceMap[rank] : options.BaseGpuId + rank * options.GpuIdStep;
            if (options.AllowSharedDevice && options.DeviceMap.Count == 0 && ordinal >= numGpus && numGpus > options.BaseGpuId)
                ordinal = options.BaseGpuId + (ordinal - options.BaseGpuId) % (numGpus - options.BaseGpuId);
            if (ordinal < 0 || ordinal >= numGpus)
                throw new EngineStartException(
                    $"Rank {rank} of {numRanks} is on GPU {ordinal}; this machine has {numGpus}. Lower --tp-size, --pp-size or --dp-size, or change --base-gpu-id, --gpu-id-step or --device-map; --allow-shared-device puts several ranks on one GPU.");
            if (Array.IndexOf(ordinals, ordinal, 0, rank) >= 0)
            {
                if (!options.AllowSharedDevice)
                    throw new EngineStartException($"GPU {ordinal} is given to two ranks: name each GPU once in --device-map, or allow it with --allow-shared-device.");
                if (options.PpSize > 1)
                    throw new EngineStartException($"GPU {ordinal} is given to two ranks and --pp-size is {options.PpSize}: pipeline stages need GPUs of their own; use --pp-size 1 with --allow-shared-device.");
                if (options.TpSize > 1 && options.DisableCustomAllReduce)
                    throw new EngineStartException($"GPU {ordinal} is given to two ranks, which work together by peer kernels alone: leave out --disable-custom-all-reduce.");
                if (options.TpSize > MaxRanksOfSharedGpu)
                    throw new EngineStartException($"--tp-size is {options.TpSize}: with --allow-shared-device at most {MaxRanksOfSharedGpu} ranks work together.");
            }
            ordinals[rank] = ordinal;
        }
        return ordinals;
    }
}
