using System.Diagnostics;
using SgLang.Interop;
using SgLang.Profiling;
using static SgLang.Interop.SglNative;

namespace SgLang.Runtime;

/// <summary>
/// Records the operators of one context while it is on: spans with shapes and costs when they run, and the graph nodes that each has made when
/// they are captured. Used by the context's thread; a call outside costs a test.
/// </summary>
public sealed class OperatorTrace
{
    /// <summary>By <see cref="Operator"/>.</summary>
    internal static readonly string[] Names =
    [
        "sgl::linear", "sgl::rms_norm", "sgl::add_rms_norm", "sgl::silu_mul", "sgl::add", "sgl::add_sigmoid_gated", "sgl::rope", "sgl::rope_append", "sgl::embedding",
        "sgl::token_resolve", "sgl::token_scatter", "sgl::gather_rows", "sgl::gather_sum", "sgl::convert", "sgl::kv_append", "sgl::kv_copy", "sgl::attention", "sgl::moe_route",
        "sgl::moe_experts", "sgl::sample", "sgl::logprobs", "sgl::argmax_shard", "sgl::argmax_merge", "sgl::memory_copy", "sgl::memory_set",
    ];

    private readonly DeviceContext _context;
    private readonly TraceRecorder _recorder;
    private readonly int[] _names;
    private readonly int _graphLaunch;
    private readonly Dictionary<int, OperatorCost> _graphCosts = [];
    private List<GraphOperator>? _captured;
    private OperatorCost _work;

    // Of the operator under way.
    private Operator _operator;
    private long _start;
    private int _firstNode;
    private Tensor _input;
    private OperatorCost _cost;

    public OperatorTrace(DeviceContext context, TraceRecorder recorder)
    {
        _context = context;
        _recorder = recorder;
        _names = [.. Names.Select(name => recorder.Names.Register(name))];
        _graphLaunch = recorder.Names.Register("graph_launch");
        recorder.HideFromStacks(typeof(OperatorTrace));
        recorder.HideFromStacks(typeof(OperatorSpan));
    }

    /// <summary>Operators leave spans.</summary>
    public bool IsRecording { get; set; }

    /// <summary>Of the step being run.</summary>
    public TraceStage Stage { get; set; }

    /// <summary>Registered name of the innermost module at work, for nodes of graphs; -1 for none.</summary>
    public int Module { get; set; } = -1;

    /// <summary>A graph is being recorded.</summary>
    public bool IsCapturing => _captured is not null;

    public bool IsOn => IsRecording || _captured is not null;

    /// <summary>Costs of operators and graphs are added up, whether or not anything is recorded; see <see cref="TakeWork"/>.</summary>
    public bool CountsWork { get; set; }

    /// <summary>Pairs of a query token and a key it sees, and keys, of the batch that attention was last told.</summary>
    internal long Pairs { get; set; }
    internal long Keys { get; set; }

    internal void Begin(Operator op)
    {
        _operator = op;
        _input = default;
        _cost = default;
        if (_captured is not null) _firstNode = CapturedNodes();
        _start = Stopwatch.GetTimestamp();
    }

    internal void Describe(in Tensor input, in OperatorCost cost)
    {
        _input = input;
        _cost = cost;
    }

    internal void End()
    {
        int name = _names[(int)_operator];
        byte rank = (byte)_input.Rank, type = (byte)_input.DType;
        if (_captured is not null)
        {
            int nodes = CapturedNodes() - _firstNode;
            _captured.Add(new GraphOperator(Module, name, _firstNode, nodes, rank, type, Dimension(0), Dimension(1), Dimension(2), Dimension(3), _cost));
        }
        if (!IsRecording && !CountsWork) return;
        OperatorCost cost = _cost.ForBatch(Pairs, Keys);
        if (_captured is null) Add(cost);
        if (!IsRecording) return;
        long end = Stopwatch.GetTimestamp();
        if (cost != default) _recorder.Write(_start, end, name, TraceKind.OperatorCost, Stage, 0, 0, cost.Flops, cost.Bytes, 0, 0);
        _recorder.Write(_start, end, name, TraceKind.Operator, Stage, rank, type, Dimension(0), Dimension(1), Dimension(2), Dimension(3), Module + 1);
    }

    internal void BeginCapture() => _captured = [];

    internal void AbandonCapture() => _captured = null;

    /// <summary>The number by which launches of the graph name it.</summary>
    internal unsafe int EndCapture(SglGraph graph)
    {
        List<GraphOperator> operators = _captured ?? [];
        _captured = null;
        int count;
        Check(sgl_graph_get_nodes(graph, null, &count, 0));
        SglGraphNodeKind[] kinds = new SglGraphNodeKind[count];
        fixed (SglGraphNodeKind* data = kinds) Check(sgl_graph_get_nodes(graph, data, &count, count));
        int number = _recorder.Graphs.Add(new GraphMap(operators, [.. kinds.Select(kind => kind != SglGraphNodeKind.Other)]));
        _graphCosts[number] = OperatorCost.Sum(operators);
        return number;
    }

    internal void Forget(int graph)
    {
        _recorder.Graphs.Remove(graph);
        _graphCosts.Remove(graph);
    }

    /// <summary>What the operators since the last call had to do, while <see cref="CountsWork"/> was on. A padded batch counts with its padding.</summary>
    public (long Flops, long Bytes) TakeWork()
    {
        OperatorCost work = _work;
        _work = default;
        return (work.Flops, work.Bytes);
    }

    internal int Register(string name, params string[] arguments) => _recorder.Names.Register(name, arguments);

    /// <summary>A collective call, as a span of its bytes and ranks.</summary>
    internal void Communicated(long start, int name, long bytes, int ranks) => _recorder.End(start, name, bytes, ranks, Stage);

    internal void Launched(long start, int graph)
    {
        Add(_graphCosts[graph].ForBatch(Pairs, Keys));
        if (IsRecording) _recorder.Write(start, _graphLaunch, TraceKind.GraphLaunch, Stage, 0, 0, graph, Pairs, Keys, 0);
    }

    private void Add(OperatorCost cost)
    {
        if (CountsWork) _work = new OperatorCost(_work.Flops + cost.Flops, _work.Bytes + cost.Bytes);
    }

    private long Dimension(int i) => i < _input.Rank ? _input[i] : 0;

    private unsafe int CapturedNodes()
    {
        int nodes;
        Check(sgl_graph_capture_num_nodes(_context.Handle, &nodes));
        return nodes;
    }
}

/// <summary>An operator at work; ends when disposed.</summary>
internal readonly ref struct OperatorSpan
{
    private readonly OperatorTrace? _trace;

    public OperatorSpan(OperatorTrace? trace, Operator op)
    {
        if (trace is null || !(trace.IsOn || trace.CountsWork)) return;
        _trace = trace;
        trace.Begin(op);
    }

    public bool IsOn => _trace is not null;

    /// <summary>Shape and cost; only while <see cref="IsOn"/>.</summary>
    public void Describe(in Tensor input, in OperatorCost cost) => _trace!.Describe(in input, in cost);

    public void Dispose() => _trace?.End();
}
