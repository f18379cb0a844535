using System.Diagnostics;
using SgLang.Profiling;
using SgLang.Runtime;

namespace SgLang.Models;

/// <summary>Records a span around each module of a model, with its path and its input's shape. Used by the model's thread.</summary>
public sealed class ModuleTrace
{
    private readonly TraceRecorder _recorder;
    private readonly int[] _names;

    public ModuleTrace(TraceRecorder recorder, IModel model)
    {
        _recorder = recorder;
        _names = new int[model.ModulePaths.Count];
        for (int i = 0; i < _names.Length; i++) _names[i] = recorder.Names.Register(model.ModulePaths[i]);
    }

    /// <summary>Of the step being run.</summary>
    public TraceStage Stage { get; set; }

    internal void Completed(int module, in Tensor input, long start) => _recorder.Write(
        start, _names[module], TraceKind.Module, Stage, (byte)input.Rank, (byte)input.DType, Dimension(input, 0), Dimension(input, 1), Dimension(input, 2), Dimension(input, 3));

    private static long Dimension(in Tensor tensor, int i) => i < tensor.Rank ? tensor[i] : 0;
}

/// <summary>A module at work; ends when disposed. Costs a test when nothing is traced.</summary>
public readonly ref struct ModuleSpan
{
    private readonly ModuleTrace? _trace;
    private readonly int _module;
    private readonly long _start;
    private readonly ref readonly Tensor _input;

    internal ModuleSpan(ModuleTrace? trace, int module, ref readonly Tensor input)
    {
        if (trace is null) return;
        _trace = trace;
        _module = module;
        _input = ref input;
        _start = Stopwatch.GetTimestamp();
    }

    public void Dispose() => _trace?.Completed(_module, in _input, _start);
}
