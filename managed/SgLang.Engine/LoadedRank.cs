using SgLang.Core;
using SgLang.Models;
using SgLang.Profiling;
using SgLang.Runtime;

namespace SgLang.Engine;

/// <summary>A model on its device with the memory shared out; made on the rank's thread.</summary>
internal sealed record LoadedRank
{
    /// <summary>A CPU computes few tokens a second, so a smaller chunk keeps decoding requests from waiting for a second.</summary>
    private const int DefaultCpuChunk = 2048;

    public required ModelRunner Runner { get; init; }
    public required RankPlace Place { get; init; }
    public required MemoryPlan Memory { get; init; }
    public required DeviceInfo Device { get; init; }
    public required DType DType { get; init; }
    public required int NumThreads { get; init; }
    public required int ChunkedPrefillSize { get; init; }
    public required long WeightBytes { get; init; }
    public required long KvCacheBytes { get; init; }
    public required GraphBatchSizes Graphs { get; init; }

    /// <summary>Device memory that capturing took.</summary>
    public required long GraphBytes { get; init; }

    /// <summary>Of the device's memory, once everything was loaded.</summary>
    public required long FreeMemoryBytes { get; init; }

    /// <param name="profiler">Where the rank leaves its spans; null for nowhere.</param>
    public static LoadedRank Load(EngineOptions options, ModelConfig config, int contextLength, Action<string, long, long>? progress, Action<string> warn,
        RankSetup setup, EngineProfiler? profiler = null)
    {
        DeviceKind kind = setup.Kind;
        DeviceContext device = DeviceContext.Create(kind, setup.Ordinal, setup.NumThreads);
        IModel? model = null;
        RankCommunicators? ranks = null;
        ModelRunner? runner = null;
        try
        {
            DeviceInfo before = setup.Device;
            model = ModelLoader.Load(device, options.ModelPath, config, new ModelLoadOptions
            {
                DType = options.DType,
                LoadFormat = options.LoadFormat,
                MaxPositions = contextLength,
                Place = setup.Place,
                ExpertExchange = options.ExpertExchange,
                Progress = (done, total) =>
                {
                    if (done == 0 && kind != DeviceKind.Cpu && total > before.FreeMemoryBytes) throw WeightsDoNotFit(total, before);
                    progress?.Invoke("Loading weights", done, total);
                },
                Warning = warn,
            });
            int chunk = options.ChunkedPrefillSize ?? DefaultChunk(before, options.PageSize);
            int maxRunning = options.MaxRunningRequests ?? MemoryPlan.DefaultRunningRequests(kind == DeviceKind.Cpu);
            // A prompt larger than the prefill budget is still taken whole when chunking is off; decoding requests join a chunk within its budget.
            int maxTokens = Math.Max(chunk > 0 ? chunk : Math.Max(options.MaxPrefillTokens, contextLength), maxRunning);
            MemoryPlan memory = setup.ShareMemory(new MemoryPlanInput
            {
                IsCpu = kind == DeviceKind.Cpu,
                TotalMemory = before.TotalMemoryBytes,
                FreeMemory = before.FreeMemoryBytes,
                WeightBytes = model.WeightBytes,
                ActivationBytes = ModelRunner.ActivationBytes(model, new StepLimits(maxTokens, maxRunning)),
                KvBytesPerToken = model.KvBytesPerToken,
                ContextLength = contextLength,
                PageSize = options.PageSize,
                MemFractionStatic = options.MemFractionStatic,
                MaxTotalTokens = options.MaxTotalTokens,
                MaxRunningRequests = options.MaxRunningRequests,
            });
            if (options.MaxPipelinedRequests is { } most) memory = memory with { MaxRunningRequests = Math.Min(memory.MaxRunningRequests, most) };
            profiler ??= new EngineProfiler();
            ranks = setup.Connect(device);
            profiler.AttachDevice(device);
            profiler.AttachMemory(setup.Place, device, model.KvBytesPerToken);
            RankTrace trace = new(profiler, device, model, LayerRanges(options, model, warn), setup.Rounds is null ? options.MaxStepsInFlight : options.MaxStepsInFlight + 1);
            // Page 0 is the dummy that padding writes to.
            StepLimits limits = new(maxTokens, memory.MaxRunningRequests);
            runner = new ModelRunner(device, model, memory.NumPages + 1, options.PageSize, limits, trace, ranks, options.ReturnOriginalLogprobs, options.NumMicroBatches,
                CounterFor(options, config, setup.Place, device, maxTokens), setup.Rounds);
            GraphBatchSizes graphs = before.SupportsGraphs && (ranks?.SupportCapture ?? true) && runner.Experts is null
                ? GraphBatchSizes.For(options, before.TotalMemoryBytes, limits.LogitRows)
                : GraphBatchSizes.None;
            if (graphs.Largest == 0 && profiler.GraphCapture is not null) warn("--enable-profile-cuda-graph: no graphs are captured here, so there is nothing to profile.");
            long graphBytes = graphs.Largest > 0 ? CaptureGraphs(runner, device, graphs, trace, profiler, progress) : 0;
            return new LoadedRank
            {
                Runner = runner,
                Place = setup.Place,
                Memory = memory,
                Device = before,
                DType = model.DType,
                NumThreads = device.NumThreads,
                ChunkedPrefillSize = chunk,
                WeightBytes = model.WeightBytes,
                KvCacheBytes = model.KvBytesPerToken * memory.MaxTotalTokens,
                Graphs = graphs,
                GraphBytes = graphBytes,
                FreeMemoryBytes = device.GetInfo().FreeMemoryBytes,
            };
        }
        catch
        {
            if (runner is not null)
            {
                runner.Dispose();
                throw;
            }
            ranks?.Dispose();
            model?.Dispose();
            device.Dispose();
            throw;
        }
    }

    /// <returns>Device memory that it took.</returns>
    private static long CaptureGraphs(ModelRunner runner, DeviceContext device, GraphBatchSizes graphs, RankTrace trace, EngineProfiler profiler, Action<string, long, long>? progress)
    {
        GraphCaptureProfile? profile = profiler.GraphCapture;
        long freeBefore = device.GetInfo().FreeMemoryBytes;
        profile?.Begin(trace);
        runner.CaptureGraphs(graphs, progress is null ? null : (done, total) => progress("Capturing CUDA graphs", done, total), profile: profile);
        long bytes = Math.Max(0, freeBefore - device.GetInfo().FreeMemoryBytes);
        if (bytes > 0) device.Memory.Allocate("CUDA graphs", MemoryUse.Graphs, 0, bytes, isOnHost: false);
        profile?.End(trace);
        return bytes;
    }

    /// <summary>Every tensor rank routes all tokens alike, so the first counts for its stage.</summary>
    private static ExpertCounter? CounterFor(EngineOptions options, ModelConfig config, RankPlace place, DeviceContext device, int maxTokens) =>
        options.EnableExpertDistributionMetrics && config.NumExperts > 0 && place.TpRank == 0 ? new ExpertCounter(device, config.NumExperts, maxTokens * config.NumExpertsPerToken) : null;

    /// <summary>Known before anything is loaded; none of the options that the memory plan names would help.</summary>
    private static EngineStartException WeightsDoNotFit(long bytes, DeviceInfo device) => new(
        $"The weights take {MemoryPlan.Gib(bytes)} and {device.Name} has {MemoryPlan.Gib(device.FreeMemoryBytes)} of {MemoryPlan.Gib(device.TotalMemoryBytes)} free: " +
        "share them out over more devices (--tp-size, --pp-size), choose a smaller model, or free memory of the device.");

    private static ModuleRanges? LayerRanges(EngineOptions options, IModel model, Action<string> warn)
    {
        if (!options.EnableLayerwiseNvtxMarker) return null;
        if (!NvtxRanges.IsActive) warn("--enable-layerwise-nvtx-marker: no tool listens (NVTX_INJECTION64_PATH names none), so no ranges are seen.");
        return new ModuleRanges(model, options.NvtxRoot ?? options.ModelPath);
    }

    /// <summary>Tokens of a prefill step by memory of the GPU (spec/server.md 3), in whole pages.</summary>
    private static int DefaultChunk(DeviceInfo device, int pageSize)
    {
        long mebibytes = device.TotalMemoryBytes >> 20;
        int chunk = device.Kind == DeviceKind.Cpu ? DefaultCpuChunk : mebibytes switch
        {
            < 35 * 1024 => 2048,
            < 60 * 1024 => 4096,
            < 160 * 1024 => 8192,
            _ => 16384,
        };
        return Math.Max(pageSize, chunk / pageSize * pageSize);
    }
}
