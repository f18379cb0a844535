using System.Collections.Concurrent;
using System.IO.Compression;

namespace SgLang.Profiling;

/// <summary>Writes traces of ranks as one file of Perfetto's own format, each rank a sequence of its own.</summary>
internal static class PftraceMerge
{
    private static readonly ZLibCompressionOptions s_compression = new() { CompressionLevel = 2 };

    public static void Write(IReadOnlyList<MergeSource> sources, Stream file, string directory, int missing, MergeOptions options)
    {
        var parts = new FileStream?[sources.Count];
        var free = new ConcurrentBag<PftraceBuffers>();
        try
        {
            TraceMerger.ForEachRank(sources, options.MaxParallel, source =>
            {
                string path = Path.Combine(directory, $".sglang-{Guid.NewGuid():N}.segment");
                FileStream part = parts[source.Index] = new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 1 << 16, FileOptions.DeleteOnClose);
                if (!free.TryTake(out PftraceBuffers? buffers)) buffers = new PftraceBuffers();
                var rank = new PftraceRank(source, sources.Count > 1 ? source.Rank.Label + " " : "", buffers);
                rank.Read();
                rank.Write(part);
                buffers.Clear();
                free.Add(buffers);
            });
            WriteHead(sources, missing, file);
            foreach (FileStream? part in parts)
            {
                part!.Position = 0;
                part.CopyTo(file);
            }
        }
        finally
        {
            foreach (FileStream? part in parts) part?.Dispose();
        }
    }

    /// <summary>Whole packets as one packet that holds them compressed.</summary>
    internal static void WriteCompressed(ReadOnlySpan<byte> packets, Stream target)
    {
        using var packed = new MemoryStream();
        using (var zlib = new ZLibStream(packed, s_compression, leaveOpen: true)) zlib.Write(packets);
        var proto = new ProtoWriter();
        int packet = proto.Begin(PftraceFields.TracePacket);
        proto.Bytes(PftraceFields.Packet.CompressedPackets, packed.GetBuffer().AsSpan(0, (int)packed.Length));
        proto.End(packet);
        target.Write(proto.Written);
    }

    /// <summary>Which moment of the wall clock the times are relative to, and what the files say of themselves, as instants on a track of its own.</summary>
    private static void WriteHead(IReadOnlyList<MergeSource> sources, int missing, Stream file)
    {
        var proto = new ProtoWriter();
        long origin = sources.FirstOrDefault(source => source.Header is not null)?.Header?.BaseNanoseconds ?? 0;
        int packet = proto.Begin(PftraceFields.TracePacket);
        proto.Integer(PftraceFields.Packet.SequenceId, (ulong)sources.Count + 1);
        int snapshot = proto.Begin(PftraceFields.Packet.ClockSnapshot);
        Clock(PftraceFields.Clocks.Boottime, 0);
        Clock(PftraceFields.Clocks.Realtime, origin);
        proto.Integer(PftraceFields.Clocks.PrimaryClock, PftraceFields.Clocks.Boottime);
        proto.End(snapshot);
        proto.End(packet);

        const ulong Uuid = 1;
        packet = proto.Begin(PftraceFields.TracePacket);
        proto.Integer(PftraceFields.Packet.SequenceId, (ulong)sources.Count + 1);
        int track = proto.Begin(PftraceFields.Packet.TrackDescriptor);
        proto.Integer(PftraceFields.Track.Uuid, Uuid);
        proto.Text(PftraceFields.Track.Name, "About this trace");
        proto.End(track);
        proto.End(packet);
        foreach (MergeSource source in sources)
        {
            foreach ((string name, byte[] value) in source.Members)
                if (name != "traceName") About($"{source.Rank.Label} {name}", value);
        }
        if (sources.Count > 1) About("merge_report", JsonMerge.Report(sources, missing));
        file.Write(proto.Written);

        void Clock(int id, long time)
        {
            int clock = proto.Begin(PftraceFields.Clocks.Clock);
            proto.Integer(PftraceFields.Clocks.Id, id);
            proto.Integer(PftraceFields.Clocks.Timestamp, time);
            proto.End(clock);
        }

        void About(string name, byte[] value)
        {
            // These few carry their names themselves instead of numbers of names.
            int about = proto.Begin(PftraceFields.TracePacket);
            proto.Integer(PftraceFields.Packet.Timestamp, sources.Min(source => source.FirstTime));
            proto.Integer(PftraceFields.Packet.SequenceId, (ulong)sources.Count + 1);
            int instant = proto.Begin(PftraceFields.Packet.TrackEvent);
            proto.Integer(PftraceFields.Event.Type, PftraceFields.Event.Instant);
            proto.Integer(PftraceFields.Event.TrackUuid, Uuid);
            proto.Text(PftraceFields.Event.Name, name);
            int annotation = proto.Begin(PftraceFields.Event.DebugAnnotations);
            proto.Text(PftraceFields.Annotation.Name, "value");
            proto.Bytes(value.Length > 0 && value[0] is (byte)'{' or (byte)'[' ? PftraceFields.Annotation.Json : PftraceFields.Annotation.Text, value);
            proto.End(annotation);
            proto.End(instant);
            proto.End(about);
        }
    }
}
