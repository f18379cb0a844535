using SgLang.Profiling;

namespace SgLang.Engine;

/// <summary>What is written of a window that is over: a file for each rank and stage, its twin in Perfetto's format, and the merged one.</summary>
/// <param name="noDevice">Why there is no device activity; null where there is.</param>
internal sealed class ProfileFiles(RankFileSet places, IReadOnlyList<DeviceProperties> devices, TraceMemory? memory, string? noDevice)
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
                Memory = options.Activities.Contains("MEM") ? memory : null,
                Notes = Notes(options),
            };
            List<string> ranks = [];
            for (int rank = 0; rank < places.Count; rank++)
            {
                string path = ChromeTraceWriter.Write(capture, places.Of(rank, common)).Path;
                ranks.Add(path);
                files.Add(path);
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
        List<string> notes = [];
        if (options.RecordsDevice && noDevice is not null) notes.Add($"GPU activity was asked for, but the file has host spans only: {noDevice}.");
        if (options.Activities.Contains("XPU")) notes.Add("XPU was asked for, but only Intel devices have it.");
        if (options.UsesCudaProfiler && devices.Count == 0) notes.Add("CUDA_PROFILER was asked for, but this server runs on the CPU.");
        if (options.Activities.Contains("MEM"))
            notes.Add(memory is null ? "MEM was asked for, but there is no KV pool that a scheduler fills." : "MEM is the KV pool's use at each plan, beside weights and graphs; other buffers are taken at the start and do not change.");
        if (options.Activities.Contains("RPD")) notes.Add("RPD was asked for, but only AMD devices have it.");
        notes.Add("Spans of category cpu_op are modules of the model, named by their paths, and operators, named sgl::*; their Input Dims are those of the first input.");
        return notes;
    }
}
