using System.Globalization;

namespace SgLang.Engine;

/// <summary>
/// The machine's memory nodes and their processors. A rank whose threads stay on one node has what they touch first there: its weights, its cache and
/// its staging area of the communicator.
/// </summary>
/// <param name="nodes">Number and processors of each node that has some which this process may use, in rising order.</param>
internal sealed class NumaTopology((int Node, int[] Processors)[] nodes)
{
    /// <summary>A directory without nodes is a machine that does not tell, and binds nobody.</summary>
    /// <param name="directory">As Linux's /sys/devices/system/node.</param>
    /// <param name="allowed">Processors that this process may use.</param>
    public static NumaTopology Read(string directory, IReadOnlyCollection<int> allowed)
    {
        List<(int, int[])> nodes = [];
        if (Directory.Exists(directory))
        {
            foreach (string path in Directory.EnumerateDirectories(directory, "node*"))
            {
                string list = Path.Combine(path, "cpulist");
                if (!int.TryParse(Path.GetFileName(path)["node".Length..], NumberStyles.None, CultureInfo.InvariantCulture, out int node) || !File.Exists(list)) continue;
                int[] processors = [.. Parse(File.ReadAllText(list)).Where(allowed.Contains)];
                if (processors.Length > 0) nodes.Add((node, processors));
            }
        }
        nodes.Sort();
        return new NumaTopology([.. nodes]);
    }

    /// <summary>
    /// Processors of one of several ranks of a CPU: ranks that are neighbours, and exchange most, share a node; with fewer ranks than nodes each has
    /// as many. Empty, unbound, on a machine of one node or for a rank alone.
    /// </summary>
    public int[] ProcessorsOf(int rank, int numRanks)
    {
        if (nodes.Length < 2 || numRanks < 2) return [];
        int first = rank * nodes.Length / numRanks, end = Math.Max(first + 1, (rank + 1) * nodes.Length / numRanks);
        return [.. nodes[first..end].SelectMany(node => node.Processors)];
    }

    /// <summary>Processors of the node that --numa-node names for a rank.</summary>
    public int[] ProcessorsOfNode(int node)
    {
        foreach ((int number, int[] processors) in nodes)
            if (number == node) return processors;
        throw new EngineStartException($"--numa-node names node {node}; nodes with processors that this process may use: {(nodes.Length == 0 ? "none are known" : string.Join(", ", nodes.Select(each => each.Node)))}.");
    }

    /// <summary>"0-3,8,10-11"</summary>
    private static IEnumerable<int> Parse(string list)
    {
        foreach (string range in list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            string[] ends = range.Split('-');
            int first = int.Parse(ends[0], CultureInfo.InvariantCulture), last = int.Parse(ends[^1], CultureInfo.InvariantCulture);
            for (int processor = first; processor <= last; processor++) yield return processor;
        }
    }
}
