namespace SgLang.Profiling;

/// <summary>Field numbers of Perfetto's trace format (protos/perfetto/trace of the Perfetto project), as far as they are written here.</summary>
internal static class PftraceFields
{
    public const int TracePacket = 1;

    public static class Packet
    {
        public const int ClockSnapshot = 6;
        public const int Timestamp = 8;
        public const int SequenceId = 10;
        public const int TrackEvent = 11;
        public const int InternedData = 12;
        public const int SequenceFlags = 13;
        public const int CompressedPackets = 50;
        public const int TrackDescriptor = 60;
    }

    /// <summary>Values of <see cref="Packet.SequenceFlags"/>: names begin anew; names are needed.</summary>
    public const int StateCleared = 1;
    public const int NeedsState = 2;

    public static class Clocks
    {
        public const int Clock = 1;
        public const int PrimaryClock = 2;
        public const int Id = 1;
        public const int Timestamp = 2;
        public const int Realtime = 1;
        public const int Boottime = 6;
    }

    public static class Track
    {
        public const int Uuid = 1;
        public const int Name = 2;
        public const int Process = 3;
        public const int Parent = 5;
        public const int Counter = 8;
        public const int ChildOrdering = 11;
        public const int SiblingOrderRank = 12;

        /// <summary>Of <see cref="ChildOrdering"/>: by the children's ranks.</summary>
        public const int Explicit = 3;
    }

    public static class Process
    {
        public const int Pid = 1;
        public const int Name = 6;
        public const int Labels = 8;
    }

    public static class Event
    {
        public const int CategoryIds = 3;
        public const int DebugAnnotations = 4;
        public const int Type = 9;
        public const int NameId = 10;
        public const int TrackUuid = 11;
        public const int Name = 23;
        public const int DoubleCounterValue = 44;
        public const int FlowIds = 47;
        public const int SliceBegin = 1;
        public const int SliceEnd = 2;
        public const int Instant = 3;
        public const int CounterValue = 4;
    }

    public static class Interned
    {
        public const int Categories = 1;
        public const int Names = 2;
        public const int AnnotationNames = 3;
        public const int Id = 1;
        public const int Text = 2;
    }

    public static class Annotation
    {
        public const int NameId = 1;
        public const int Bool = 2;
        public const int Integer = 4;
        public const int Double = 5;
        public const int Text = 6;
        public const int Json = 9;
        public const int Name = 10;
    }
}
