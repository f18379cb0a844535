using System.Diagnostics;
using SgLang.Profiling;
using SgLang.Runtime;

namespace SgLang.Models;

/// <summary>
/// Sees each module of a model begin and end: leaves a span with its path and its input's shape while steps are recorded, tells operators whose
/// they are while a graph is captured, and opens an NVTX range where these are wanted. Used by the model's thread.
/// </summary>
public sealed class ModuleTrace
{
    private readonly TraceRecorder _recorder;
    private readonly OperatorTrace _operators;
    private readonly int[] _names;
    private readonly ModuleRanges? _ranges;

    /// <param name="operators">Of the model's device.</param>
    /// <param name="ranges">Null for no NVTX ranges.</param>
    public ModuleTrace(TraceRecorder recorder, IModel model, OperatorTrace operators, ModuleRanges? ranges = null)
    {
        _recorder = recorder;
        _operators = operators;
        _ranges = ranges;
        recorder.HideFromStacks(typeof(ModuleTrace));
        recorder.HideFromStacks(typeof(ModuleSpan));
        _names = new int[model.ModulePaths.Count];
        for (int i = 0; i < _names.Length; i++) _names[i] = recorder.Names.Register(model.ModulePaths[i]);
    }

    public bool IsOn => _operators.IsOn || _ranges is not null;

    /// <summary>Returns what <see cref="End"/> wants back.</summary>
    internal int Begin(int module, in Tensor input)
    {
        int outer = _operators.Module;
        _operators.Module = _names[module];
        _ranges?.Push(module, in input);
        return outer;
    }

    internal void End(int module, in Tensor input, long start, int outer)
    {
        _operators.Module = outer;
        _ranges?.Pop();
        if (!_operators.IsRecording) return;
        _recorder.Write(start, _names[module], TraceKind.Module, _operators.Stage, (byte)input.Rank, (byte)input.DType, Dimension(input, 0), Dimension(input, 1),
            Dimension(input, 2), Dimension(input, 3));
    }

    private static long Dimension(in Tensor tensor, int i) => i < tensor.Rank ? tensor[i] : 0;
}

/// <summary>A module at work; ends when disposed. Costs a test when nothing is traced.</summary>
public readonly ref struct ModuleSpan
{
    private readonly ModuleTrace? _trace;
    private readonly int _module;
    private readonly int _outer;
    private readonly long _start;
    private readonly ref readonly Tensor _input;

    internal ModuleSpan(ModuleTrace? trace, int module, ref readonly Tensor input)
    {
        if (trace is not { IsOn: true }) return;
        _trace = trace;
        _module = module;
        _input = ref input;
        _start = Stopwatch.GetTimestamp();
        _outer = trace.Begin(module, in input);
    }

    public void Dispose() => _trace?.End(_module, in _input, _start, _outer);
}
