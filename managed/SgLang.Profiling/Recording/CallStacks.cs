using System.Diagnostics;

namespace SgLang.Profiling;

/// <summary>
/// The call stacks of a capture's spans as text, resolved when a file is written. A stack is the one under which a thread first recorded a span of
/// that name in that module; later ones are taken to come the same way, and so are those of other layers that it has not looked at yet. Used by
/// one thread.
/// </summary>
public sealed class CallStacks
{
    private readonly Dictionary<int, CallSite[]> _sites = [];
    private readonly Dictionary<(int Ring, int Name, int Context), StackTrace> _ofKind = [];
    private readonly Dictionary<(int Ring, int Site), int[]> _resolved = [];
    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);
    private readonly List<string> _functions = [];
    private readonly HiddenFrames _hidden;
    private readonly NameKinds _kinds;

    internal CallStacks(ReadOnlySpan<TraceRing> rings, HiddenFrames hidden, IReadOnlyList<TraceName> names)
    {
        _hidden = hidden;
        _kinds = new NameKinds(names);
        foreach (TraceRing ring in rings)
        {
            CallSite[] sites = ring.Sites.Snapshot();
            _sites.Add(ring.Index, sites);
            foreach (CallSite site in sites)
                if (site.Stack is not null) _ofKind.TryAdd(KindOf(ring.Index, in site), site.Stack);
        }
        foreach ((int ring, CallSite[] sites) in _sites)
            foreach (CallSite site in sites)
                if (!_ofKind.ContainsKey(KindOf(ring, in site))) NumUnknown++;
    }

    /// <summary>Places whose stack nobody had time to look at.</summary>
    public int NumUnknown { get; }

    /// <summary>A function's name by its number.</summary>
    internal string NameOf(int function) => _functions[function];

    /// <summary>Numbers of the functions that were open, the outermost first; empty where the stack is not known.</summary>
    internal int[] Functions(int ring, int site)
    {
        if (site == 0) return [];
        if (_resolved.TryGetValue((ring, site), out int[]? known)) return known;
        StackTrace? stack = null;
        if (_sites.TryGetValue(ring, out CallSite[]? sites) && site <= sites.Length)
            stack = sites[site - 1].Stack ?? _ofKind.GetValueOrDefault(KindOf(ring, in sites[site - 1]));
        int[] functions = stack is null ? [] : Resolve(stack);
        _resolved.Add((ring, site), functions);
        return functions;
    }

    private (int Ring, int Name, int Context) KindOf(int ring, in CallSite site) =>
        // A context is a name + 1, or a mark below it.
        (ring, _kinds.Of(site.Name), site.Context > 0 ? _kinds.Of(site.Context - 1) : site.Context - 1);

    private int[] Resolve(StackTrace stack)
    {
        List<int> functions = [];
        bool isRecording = true;
        foreach (StackFrame frame in stack.GetFrames())
        {
            if (DiagnosticMethodInfo.Create(frame) is not { } method) continue;
            string type = method.DeclaringTypeName ?? "";
            if (isRecording && (method.DeclaringAssemblyName.StartsWith("SgLang.Profiling,", StringComparison.Ordinal) || _hidden.Contains(type))) continue;
            isRecording = false;
            string name = FunctionName.Of(type, method.Name);
            if (!_ids.TryGetValue(name, out int id))
            {
                _ids.Add(name, id = _functions.Count);
                _functions.Add(name);
            }
            functions.Add(id);
        }
        functions.Reverse();
        return [.. functions];
    }
}
