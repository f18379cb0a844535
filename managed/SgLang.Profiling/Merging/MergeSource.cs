using System.Text.Json;

namespace SgLang.Profiling;

/// <summary>One trace on its way into a merged file.</summary>
internal sealed class MergeSource
{
    private readonly MergeOptions _options;
    private readonly ClockOffset? _clockAgainstUs;
    private string? _error;

    private MergeSource(string path, TraceRank rank, TraceHeader? header, MergeOptions options)
    {
        Path = path;
        Rank = rank;
        Header = header;
        _options = options;
        if (options.ClockOffsets.TryGetValue(path, out ClockOffset offset)) _clockAgainstUs = offset;
    }

    public string Path { get; }
    public TraceRank Rank { get; }

    /// <summary>Null where the file is damaged already there.</summary>
    public TraceHeader? Header { get; }
    public int Index { get; private set; }

    /// <summary>Nanoseconds to add to its times.</summary>
    public long Shift { get; private set; }

    /// <summary>How far its clock is ahead of the first file's.</summary>
    public ClockOffset? Clock { get; private set; }
    public long NumEvents { get; private set; }

    /// <summary>The least time that was met, in the merged file's.</summary>
    public long FirstTime { get; private set; } = long.MaxValue;

    /// <summary>Top-level members, once it was read.</summary>
    public IReadOnlyList<(string Name, byte[] Value)> Members { get; private set; } = [];
    public MergedRank Result => new(Path, Rank.Label, NumEvents, _error, Clock);

    public static MergeSource Open(string path, MergeOptions options)
    {
        TraceRank rank = TraceRank.FromFileName(path);
        TraceHeader? header = null;
        try
        {
            header = TraceHeader.Read(path);
        }
        // Reading all of it meets the same and says what is to be done.
        catch (Exception error) when (IsDamage(error))
        {
        }
        return new MergeSource(path, rank with { World = header?.Rank }, header, options);
    }

    /// <summary>Gives its place in the merged file and how its times move to those of <paramref name="first"/>.</summary>
    public void Place(int index, MergeSource first)
    {
        Index = index;
        Shift = (Header?.BaseNanoseconds ?? 0) - (first.Header?.BaseNanoseconds ?? 0);
        if (_clockAgainstUs is not { } mine || first._clockAgainstUs is not { } theirs) return;
        // Two files of one machine have one clock, of which nothing is unsure.
        Clock = mine == theirs ? default : ClockOffset.Between(mine, theirs);
        Shift -= Clock.Value.Nanoseconds;
    }

    /// <summary>Looks through it once before it is read, as far as it is whole: what is wrong with it <see cref="Read"/> meets again and says.</summary>
    public void Scan(Action<TraceEvent> visit)
    {
        var item = new TraceEvent();
        try
        {
            using var reader = new TraceReader(Path);
            while (reader.TryRead(item)) visit(item);
        }
        catch (Exception error) when (IsDamage(error))
        {
        }
    }

    /// <summary>Reads it to its end.</summary>
    /// <exception cref="TraceMergeException">It is damaged, and that is not allowed.</exception>
    public void Read(Action<TraceEvent> visit)
    {
        var item = new TraceEvent();
        try
        {
            using var reader = new TraceReader(Path);
            try
            {
                while (reader.TryRead(item))
                {
                    visit(item);
                    NumEvents++;
                    if (item.HasTime && item.Phase != 'M') FirstTime = Math.Min(FirstTime, Math.Max(0, item.Time + Shift));
                }
            }
            finally
            {
                Members = reader.Members;
            }
        }
        catch (Exception error) when (IsDamage(error))
        {
            if (!_options.AllowMissing)
                throw new TraceMergeException($"{Path}: the trace is damaged after {NumEvents} events: {error.Message}; write it again, or use --allow-missing", error);
            _error = error.Message;
        }
    }

    private static bool IsDamage(Exception error) => error is JsonException or InvalidDataException or EndOfStreamException or FileNotFoundException or DirectoryNotFoundException or UnauthorizedAccessException;
}
