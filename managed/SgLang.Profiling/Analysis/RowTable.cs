using System.Text;

namespace SgLang.Profiling;

/// <summary>Sums rows by name.</summary>
internal sealed class RowTable(DeviceCeiling ceiling)
{
    private readonly Dictionary<string, Row> _rows = new(StringComparer.Ordinal);

    /// <param name="isBounded">The work of this occurrence is known, or was counted with an earlier one of the same operator.</param>
    public void Add(string name, long nanoseconds, bool isBounded, long flops, long bytes)
    {
        if (!_rows.TryGetValue(name, out Row? row)) _rows.Add(name, row = new Row());
        row.Time.Add(nanoseconds);
        if (!isBounded) return;
        row.Bounded += nanoseconds;
        row.Flops += flops;
        row.Bytes += bytes;
        if (ceiling.IsKnown) row.Least += ceiling.LeastNanoseconds(flops, bytes);
    }

    public TimeRow[] ToArray() =>
        [.. _rows.Select(one => new TimeRow(one.Key, one.Value.Time, one.Value.Flops, one.Value.Bytes, one.Value.Least, one.Value.Bounded)).OrderByDescending(row => row.Time.Total).ThenBy(row => row.Name, StringComparer.Ordinal)];

    /// <summary>A path with its numbers as stars, so that the layers of a model come together: model.layers.*.mlp.</summary>
    public static string Collapse(string path)
    {
        var text = new StringBuilder(path.Length);
        bool isNumber = true;
        int start = 0;
        for (int i = 0; i <= path.Length; i++)
        {
            if (i < path.Length && path[i] is not ('.' or '_'))
            {
                isNumber &= char.IsAsciiDigit(path[i]);
                continue;
            }
            // NOTE: "_" ends only the instance number that PyTorch appends to a class's name.
            if (i > start && isNumber && (i == path.Length || path[i] == '.')) text.Append('*');
            else text.Append(path, start, i - start);
            if (i < path.Length) text.Append(path[i]);
            start = i + 1;
            isNumber = true;
        }
        return text.ToString();
    }

    private sealed class Row
    {
        public TimeStatistics Time { get; } = new();
        public double Flops { get; set; }
        public double Bytes { get; set; }
        public double Least { get; set; }
        public double Bounded { get; set; }
    }
}
