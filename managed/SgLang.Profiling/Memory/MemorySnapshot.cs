namespace SgLang.Profiling;

/// <summary>
/// A rank's memory as PyTorch's snapshot of its allocator, for pytorch.org/memory_viz: a segment for each block that is there when the window ends, and
/// what came and went in it. A block's only frame is its name.
/// </summary>
public static class MemorySnapshot
{
    /// <returns>The file's path.</returns>
    public static string Write(ITraceRecords records, TraceMemory memory, TraceFileInfo info)
    {
        string path = Path.Combine(info.Directory, TraceFileNames.Memory(info));
        AtomicFile.Write(path, file =>
        {
            using var buffered = new BufferedStream(file);
            Write(new PickleWriter(buffered), records, memory);
        });
        return path;
    }

    private static void Write(PickleWriter pickle, ITraceRecords records, TraceMemory memory)
    {
        List<MemoryBlock> blocks = [.. memory.History.Blocks];
        foreach (MemoryChange change in memory.History.Changes)
        {
            if (!change.IsFree) blocks.Add(change.Block);
            else blocks.RemoveAll(block => ReferenceEquals(block, change.Block));
        }
        // The viewer takes a device's number for an index. Host memory comes behind the device, or is the only one.
        int hostIndex = memory.Device is { } device ? device + 1 : 0;
        int IndexOf(MemoryBlock block) => memory.PlaceOf(block) is (1, var id) ? id : hostIndex;

        pickle.Begin();
        pickle.BeginDictionary();
        pickle.Text("segments");
        pickle.BeginList();
        foreach (MemoryBlock block in blocks) WriteSegment(pickle, block, IndexOf(block));
        pickle.EndList();
        pickle.Text("device_traces");
        pickle.BeginList();
        for (int index = 0; index <= hostIndex; index++)
        {
            pickle.BeginList();
            foreach (MemoryChange change in memory.History.Changes)
                if (IndexOf(change.Block) == index) WriteChange(pickle, change, records.Clock.ToNanoseconds(change.Ticks) / 1000);
            pickle.EndList();
        }
        pickle.EndList();
        pickle.Text("allocator_settings");
        pickle.BeginDictionary();
        pickle.EndDictionary();
        pickle.EndDictionary();
        pickle.End();
    }

    private static void WriteSegment(PickleWriter pickle, MemoryBlock block, int device)
    {
        pickle.BeginDictionary();
        pickle.Pair("device", device);
        pickle.Pair("address", block.Address);
        pickle.Pair("total_size", block.NumBytes);
        pickle.Pair("allocated_size", block.NumBytes);
        pickle.Pair("active_size", block.NumBytes);
        pickle.Pair("requested_size", block.NumBytes);
        pickle.Pair("stream", 0);
        pickle.Pair("segment_type", "large");
        pickle.Text("is_expandable");
        pickle.Boolean(false);
        WriteFrames(pickle, block);
        pickle.Text("blocks");
        pickle.BeginList();
        pickle.BeginDictionary();
        pickle.Pair("address", block.Address);
        pickle.Pair("size", block.NumBytes);
        pickle.Pair("requested_size", block.NumBytes);
        pickle.Pair("state", "active_allocated");
        WriteFrames(pickle, block);
        pickle.EndDictionary();
        pickle.EndList();
        pickle.EndDictionary();
    }

    private static void WriteChange(PickleWriter pickle, MemoryChange change, long microseconds)
    {
        pickle.BeginDictionary();
        pickle.Pair("action", change.IsFree ? "free_completed" : "alloc");
        pickle.Pair("addr", change.Block.Address);
        pickle.Pair("size", change.Block.NumBytes);
        pickle.Pair("stream", 0);
        pickle.Pair("time_us", microseconds);
        WriteFrames(pickle, change.Block);
        pickle.EndDictionary();
    }

    private static void WriteFrames(PickleWriter pickle, MemoryBlock block)
    {
        pickle.Text("frames");
        pickle.BeginList();
        pickle.BeginDictionary();
        pickle.Pair("name", block.Name);
        pickle.Pair("filename", "");
        pickle.Pair("line", 0);
        pickle.EndDictionary();
        pickle.EndList();
    }
}
