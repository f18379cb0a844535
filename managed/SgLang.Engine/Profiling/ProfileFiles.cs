using SgLang.Core;
using SgLang.Profiling;

namespace SgLang.Engine;

/// <summary>What is written of a window that is over: a file for each rank and stage, its twin in Perfetto's format, and the merged one.</summary>
/// <param name="memory">Of each rank, where it was asked for.</param>
/// <param name="noDevice">Why there is no device activity; null where there is.</param>
internal sealed class ProfileFiles(RankFileSet places, IReadOnlyList<DeviceProperties> devices, IReadOnlyDictionary<RankPlace, TraceMemory>? memory,
    string? noDevice)
{
    /// <param name="files">Gets the path of each file as soon as it is whole, so that it has those before an error.</param>
    public void Write(TraceCapture capture, ProfileOptions options, ProfileResult result, List<string> files)
    {
        IReadOnlyList<TraceStage> stages = options.IsByStage ? options.Stages : [TraceStage.Any];
        foreach (TraceStage stage in stages)
        {
            TraceFileInfo common = new()
            {
                Options = options,
                Rank = new RankCoordinates(0),
                Stage = stage,
                FirstStep = result.FirstStep,
                LastStep = result.LastStep,
                NumSteps = result.NumSteps,
                Devices = capture.RecordsDevice ? devices : [],
                Notes = Notes(options),
            };
            List<string> ranks = [];
            for (int rank = 0; rank < places.Count; rank++)
            {
                TraceFileInfo info = places.Of(rank, common) with { Memory = memory?.GetValueOrDefault(places[rank]) };
                string path = ChromeTraceWriter.Write(capture, info).Path;
                ranks.Add(path);
                files.Add(path);
                if (info.Memory is { } held) files.Add(MemorySnapshot.Write(capture, held, info));
            }
            if (options.Format == TraceFormat.Pftrace)
            {
                foreach (string path in ranks)
                {
                    string native = TraceFileNames.ToPftrace(path);
                    TraceMerger.Merge([path], native, new MergeOptions { Format = TraceFormat.Pftrace, ExpectedRanks = 1 });
                    files.Add(native);
                }
            }
            if (!options.MergeProfiles) continue;
            string merged = Path.Combine(options.OutputDirectory, TraceFileNames.Merged(options.Id, stage));
            TraceMerger.Merge(ranks, merged);
            files.Add(merged);
        }
    }

    private List<string> Notes(ProfileOptions options)
    {
        List<string> notes = [.. options.Notes];
        if (options.RecordsDevice && noDevice is not null) notes.Add($"GPU activity was asked for, but the file has host spans only: {noDevice}.");
        if (options.Activities.Contains("XPU")) notes.Add("XPU was asked for, but only Intel devices have it.");
        if (options.UsesCudaProfiler && devices.Count == 0) notes.Add("CUDA_PROFILER was asked for, but this server runs on the CPU.");
        if (options.RecordsMemory)
        {
            notes.Add("MEM is the engine's blocks of memory, whose changes in the window are events, and the KV pool's use at each plan. Scratch memory of libraries is not among them, and of graphs only what they took together.");
            if (memory?.Values.Sum(rank => rank.History.Dropped) is > 0 and var dropped) notes.Add($"{dropped} later changes of memory were not kept (SGLANG_MEM_PROFILE_MAX_ENTRIES).");
        }
        if (options.Activities.Contains("RPD")) notes.Add("RPD was asked for, but only AMD devices have it.");
        notes.Add("Spans of category cpu_op are modules of the model, named by their paths, and operators, named sgl::*; their Input Dims are those of the first input.");
        return notes;
    }
}
