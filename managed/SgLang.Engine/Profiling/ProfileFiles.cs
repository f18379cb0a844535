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
    /// <param name="nodes">Where the files of other nodes' ranks come from; null where there are none.</param>
    /// <returns>What each other node has sent.</returns>
    public NodeProfileFiles[] Write(TraceCapture capture, ProfileOptions options, ProfileResult result, List<string> files, INodeProfiles? nodes)
    {
        TraceFileInfo[] stages = [.. (options.IsByStage ? options.Stages : [TraceStage.Any]).Select(stage => new TraceFileInfo
        {
            Options = options,
            Rank = new RankCoordinates(0),
            Stage = stage,
            FirstStep = result.FirstStep,
            LastStep = result.LastStep,
            NumSteps = result.NumSteps,
            Devices = capture.RecordsDevice ? devices : [],
            Notes = Notes(options),
        })];
        Exception? failure = null;
        try
        {
            foreach (TraceFileInfo common in stages) WriteOwn(capture, common, files);
        }
        catch (Exception error)
        {
            // The other nodes' windows end all the same.
            failure = error;
        }
        NodeProfileFiles[] others = nodes?.Collect(capture.Window, result, options.OutputDirectory) ?? [];
        foreach (NodeProfileFiles node in others) files.AddRange(node.Paths);
        if (failure is not null) System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        foreach (TraceFileInfo common in stages) Join(common, files, others);
        return others;
    }

    /// <summary>The files of this node's ranks.</summary>
    private void WriteOwn(TraceCapture capture, TraceFileInfo common, List<string> files)
    {
        for (int rank = 0; rank < places.Count; rank++)
        {
            TraceFileInfo info = places.Of(rank, common) with { Memory = memory?.GetValueOrDefault(places[rank]) };
            files.Add(ChromeTraceWriter.Write(capture, info).Path);
            if (info.Memory is { } held) files.Add(MemorySnapshot.Write(capture, held, info));
        }
    }

    /// <summary>The twins in Perfetto's format of all ranks' files of a stage, and the merged one, which there is only of all.</summary>
    private void Join(TraceFileInfo common, List<string> files, NodeProfileFiles[] others)
    {
        ProfileOptions options = common.Options;
        HashSet<string> names = [.. Enumerable.Range(0, places.World.Count).Select(rank => places.FileNameOf(rank, common))];
        string[] ranks = [.. files.Where(path => names.Contains(Path.GetFileName(path)))];
        if (options.Format == TraceFormat.Pftrace)
        {
            foreach (string path in ranks)
            {
                string native = TraceFileNames.ToPftrace(path);
                TraceMerger.Merge([path], native, new MergeOptions { Format = TraceFormat.Pftrace, ExpectedRanks = 1 });
                files.Add(native);
            }
        }
        if (!options.MergeProfiles || ranks.Length < names.Count) return;
        Dictionary<string, ClockOffset> clocks = [];
        foreach (NodeProfileFiles node in others)
            foreach (string path in node.Paths) clocks[path] = node.Clock ?? default;
        if (clocks.Count > 0)
            foreach (string path in ranks) clocks.TryAdd(path, default);
        string merged = Path.Combine(options.OutputDirectory, TraceFileNames.Merged(options.Id, common.Stage));
        TraceMerger.Merge(ranks, merged, new MergeOptions { ClockOffsets = clocks });
        files.Add(merged);
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
