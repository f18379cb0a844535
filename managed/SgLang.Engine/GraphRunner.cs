using SgLang.Models;
using SgLang.Runtime;
using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>
/// Decode steps replayed from graphs, one for each captured batch size; a smaller batch is padded. What a replay reads that differs from
/// step to step stands at fixed addresses: token sources, positions and slots in the step's inputs, lengths and pages behind the attention
/// plan, last tokens in their table. All graphs and eager steps use the one arena in turn.
/// </summary>
internal sealed class GraphRunner : IDisposable
{
    private readonly GraphBatchSizes _sizes;
    private readonly IModel _model;
    private readonly ForwardContext _forward;
    private readonly StepInputs _inputs;
    private readonly DeviceBuffer _inputIds;
    private readonly Tensor _lastIds;
    private readonly IGraphRecorder _recorder;
    private readonly (IStepGraph Graph, Tensor Logits)[] _graphs;
    private readonly int[] _queryStart;
    private readonly int[] _kvLength;
    private readonly int[] _pageStart;

    /// <summary>Makes nothing yet: see <see cref="Capture"/>.</summary>
    /// <param name="inputIds">I32, at least as many as the largest size.</param>
    /// <param name="lastIds">I32: the last token of each row.</param>
    public GraphRunner(GraphBatchSizes sizes, IModel model, ForwardContext forward, StepInputs inputs, DeviceBuffer inputIds, in Tensor lastIds, IGraphRecorder recorder)
    {
        _sizes = sizes;
        _model = model;
        _forward = forward;
        _inputs = inputs;
        _inputIds = inputIds;
        _lastIds = lastIds;
        _recorder = recorder;
        _graphs = new (IStepGraph, Tensor)[sizes.Largest + 1];
        _queryStart = new int[sizes.Largest + 1];
        for (int i = 0; i < _queryStart.Length; i++) _queryStart[i] = i;
        _kvLength = new int[sizes.Largest];
        _pageStart = new int[sizes.Largest];
    }

    /// <summary>The size that a plan is replayed at; 0: it must run eagerly.</summary>
    public int SizeFor(StepPlan plan) => plan.Kind == StepKind.Decode ? _sizes.Select(plan.NumRequests) : 0;

    /// <summary>
    /// Records every size, the largest first, so that working memory has its final size from the first on. Each runs once eagerly before,
    /// which loads kernels and settles what is chosen at a first call; recording must find nothing left to decide.
    /// </summary>
    /// <param name="progress">(sizes done, sizes in all).</param>
    /// <param name="around">Runs each size's recording, for whoever looks at it; null runs it by itself.</param>
    public void Capture(Action<int, int>? progress, Action<int, Action>? around = null)
    {
        ReadOnlySpan<int> sizes = _sizes.Sizes;
        for (int i = sizes.Length - 1; i >= 0; i--)
        {
            int size = sizes[i];
            _inputs.Begin(0);
            Inputs inputs = Fill(size, [], [], [], []);
            _inputs.Send();
            // A batch of padding alone: sequences of one token on the dummy page.
            UpdateAttention(size, 0, [], [], [0]);
            Forward(size, inputs);
            _forward.Device.Synchronize();
            Tensor logits = default;
            if (around is null) Record();
            else around(size, Record);
            progress?.Invoke(sizes.Length - i, sizes.Length);

            void Record()
            {
                IStepGraph graph = _recorder.Record(_forward, size, () => logits = Forward(size, inputs));
                _graphs[size] = (graph, logits);
            }
        }
    }

    /// <summary>Queues a decode step.</summary>
    /// <param name="size">What <see cref="SizeFor"/> answered.</param>
    /// <param name="rows">I32 [requests]: each request's row in the table of last tokens, for the sampler.</param>
    /// <returns>F32 logits [requests, vocabulary].</returns>
    public Tensor Run(StepPlan plan, int size, out Tensor rows)
    {
        int batch = plan.NumRequests;
        rows = Fill(size, plan.TokenSources, plan.Positions, plan.Slots, plan.Rows).Rows.Rows(0, batch);
        _inputs.Send();
        if (size == batch) _forward.Attention.Update(plan.QueryStart, plan.KvLength, plan.PageStart[..size], plan.Pages);
        else UpdateAttention(size, batch, plan.KvLength, plan.PageStart, plan.Pages);
        (IStepGraph graph, Tensor logits) = _graphs[size];
        graph.Launch();
        return logits.Rows(0, batch);
    }

    public void Dispose()
    {
        foreach ((IStepGraph? graph, _) in _graphs) graph?.Dispose();
    }

    /// <summary>Padding is token 0 at position 0, written to the dummy page.</summary>
    private Inputs Fill(int size, ReadOnlySpan<int> sources, ReadOnlySpan<int> positions, ReadOnlySpan<int> slots, ReadOnlySpan<int> rows) =>
        new(Add(size, sources), Add(size, positions), Add(size, slots), Add(size, rows));

    private Tensor Add(int size, ReadOnlySpan<int> values)
    {
        Span<int> padded = _inputs.Add(size, out Tensor onDevice);
        values.CopyTo(padded);
        padded[values.Length..].Clear();
        return onDevice;
    }

    /// <summary>A padded sequence has one token; what it attends to is the batch's first key, which exists and is finite.</summary>
    private void UpdateAttention(int size, int batch, ReadOnlySpan<int> kvLength, ReadOnlySpan<int> pageStart, ReadOnlySpan<int> pages)
    {
        kvLength.CopyTo(_kvLength);
        pageStart[..batch].CopyTo(_pageStart);
        _kvLength.AsSpan(batch, size - batch).Fill(1);
        _pageStart.AsSpan(batch, size - batch).Clear();
        _forward.Attention.Update(_queryStart.AsSpan(0, size + 1), _kvLength.AsSpan(0, size), _pageStart.AsSpan(0, size), pages);
    }

    private Tensor Forward(int size, in Inputs inputs)
    {
        _forward.InputIds = _inputIds.AsTensor(DType.I32, size);
        _forward.Positions = inputs.Positions;
        _forward.Slots = inputs.Slots;
        _forward.LogitRows = default;
        _forward.Arena.Reset();
        Ops.TokenResolve(_forward.Device, _forward.InputIds, inputs.Sources, _lastIds);
        _forward.IsReplayed = true;
        Tensor logits = _model.Forward(_forward);
        _forward.IsReplayed = false;
        return logits;
    }

    /// <summary>All I32 [size], on the device.</summary>
    private readonly record struct Inputs(Tensor Sources, Tensor Positions, Tensor Slots, Tensor Rows);
}
