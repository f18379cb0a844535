using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using SgLang.Bench.Reports;
using SgLang.Bench.Statistics;
using SgLang.Engine;

namespace SgLang.Bench.OneBatch;

/// <summary>
/// Latency of one static batch without a server: a prefill of the whole batch, then decoding in lock step (spec/benchmarks.md 3). A step's
/// latency is the time from the result before it to its own; where the device works by itself, steps are queued one ahead, as in a server.
/// </summary>
public sealed class OneBatchBenchmark
{
    private const int WarmUpOutput = 32;
    private const int StepsShown = 5;
    private const int LargestRandomId = 10000;

    private readonly OneBatchOptions _options;
    private readonly TextWriter _output;
    private readonly StaticBatch _model;
    private readonly NumpyRandom _random;
    private long? _peakDeviceBytes;

    private OneBatchBenchmark(OneBatchOptions options, TextWriter output, StaticBatch model)
    {
        _options = options;
        _output = output;
        _model = model;
        _random = new NumpyRandom(options.Seed);
    }

    /// <summary>Loads the model, warms up and runs every case; a result line is written after each.</summary>
    /// <returns>The results, one for each case that was not skipped.</returns>
    public static IReadOnlyList<OneBatchResult> Run(OneBatchOptions options, TextWriter output, Action<string, long, long>? progress = null, ILogger? logger = null)
    {
        ResultFile.CheckWritable("--result-filename", options.ResultFile);
        if (options.Profile is { } traces) ResultFile.CheckDirectory("--profile-output-dir (or SGLANG_TORCH_PROFILER_DIR)", traces.Directory);
        string[]? custom = CustomPrompts.Read(options.PromptFile, output);
        long largest = (long)options.BatchSizes.Max() * options.InputLengths.Max();
        // Lines of a prompt file may be longer than --input-len; the tokenizer is not known yet, and a token is at least a byte.
        if (custom is not null) largest = Math.Max(largest, (long)options.BatchSizes.Max() * custom.Max(line => System.Text.Encoding.UTF8.GetByteCount(line) + 2));
        if (largest > int.MaxValue / 2) throw new BenchUsageException($"--batch-size times --input-len is {largest} tokens, more than one step can take; lower one of them");
        using StaticBatch model = StaticBatch.Load(options.Engine, options.BatchSizes.Max(), (int)largest, progress, logger);
        output.WriteLine($"max_total_num_tokens={model.Info.MaxTotalTokens}");
        return new OneBatchBenchmark(options, output, model).Sweep(custom);
    }

    private List<OneBatchResult> Sweep(string[]? custom)
    {
        _output.WriteLine("Warmup ...");
        RunCase(_options.BatchSizes[0], _options.InputLengths[0], Math.Min(WarmUpOutput, _options.OutputLengths[0]), custom);
        _output.WriteLine("Benchmark ...");
        List<OneBatchResult> results = [];
        BatchProfiler? profiler = _options.Profile is { } profile ? new BatchProfiler(_model, profile, _output) : null;
        foreach (int batch in _options.BatchSizes)
        {
            foreach (int input in _options.InputLengths)
            {
                foreach (int output in _options.OutputLengths)
                {
                    if (RunCase(batch, input, output, custom) is not var (result, prompts)) continue;
                    if (profiler is not null) result = result with { ProfileFiles = profiler.Run(prompts, input, output) };
                    results.Add(result);
                    ResultFile.Append(_options.ResultFile, RunFacts.AddTo(result.ToJson(), "bench-one-batch", _options.Arguments, _model.Info));
                }
            }
        }
        return results;
    }

    private (OneBatchResult Result, int[][] Prompts)? RunCase(int batch, int input, int output, string[]? custom)
    {
        int[][] prompts = custom is null ? RandomPrompts(batch, input) : CustomPrompts.ForBatch(custom, batch, Tokenizer, _output);
        int longest = prompts.Max(ids => ids.Length);
        if (batch > _model.Info.MaxTotalTokens / (longest + output) || !_model.Fits(batch, longest + output))
        {
            _output.WriteLine($"skipping ({batch}, {input}, {output}) due to max batch size limit");
            return null;
        }
        if (longest + output > _model.Info.ContextLength)
        {
            _output.WriteLine($"skipping ({batch}, {input}, {output}) due to the context length of {_model.Info.ContextLength}");
            return null;
        }

        _model.Begin(prompts, output);
        _model.TakeWork();
        long start = Stopwatch.GetTimestamp();
        _model.Prefill();
        double prefill = Seconds(start);
        StageWork prefillWork = StageWork.Of(_model.TakeWork(), _model.PrefillDeviceSeconds);
        int promptTokens = prompts.Sum(ids => ids.Length);
        Print($"Prefill. latency: {prefill,6:F5} s, throughput: {promptTokens / prefill,9:F2} token/s");

        double[] steps = new double[output - 1], deviceSteps = new double[output - 1];
        _model.Decode(steps, deviceSteps);
        StageWork decodeWork = StageWork.Of(_model.TakeWork(), deviceSteps.Sum());
        if (_model.DeviceBytesInUse is { } inUse) _peakDeviceBytes = Math.Max(_peakDeviceBytes ?? 0, inUse);
        for (int step = 0; step < steps.Length; step++)
        {
            if (step < StepsShown || (_options.LogDecodeStep > 0 && step % _options.LogDecodeStep == 0))
                Print($"Decode {step}. Batch size: {batch}, latency: {steps[step],6:F5} s, throughput: {batch / steps[step],9:F2} token/s");
        }
        OneBatchResult result = new(_options.RunName, batch, input, output, promptTokens, prefill, steps)
        {
            DeviceDecode = Summary.Of(deviceSteps), PrefillWork = prefillWork, DecodeWork = decodeWork, PeakDeviceBytes = _peakDeviceBytes,
        };
        if (result.Decode.Median is { } median) Print($"Decode.  median latency: {median,6:F5} s, median throughput: {batch / median,9:F2} token/s");
        Print($"Total. latency: {result.TotalLatency,6:F3} s, throughput: {result.OverallThroughput,9:F2} token/s");
        PrintWork("Prefill", prefillWork, _model.PrefillDeviceSeconds);
        if (result.DeviceDecode.Median is { } deviceMedian) PrintWork("Decode ", decodeWork, deviceMedian);
        return (result, prompts);
    }

    /// <summary>What the device did by its own clock, which excludes the host's waiting.</summary>
    private void PrintWork(string stage, StageWork work, double seconds) =>
        Print($"{stage} on the device. latency: {seconds,6:F5} s, {work.FlopsPerSecond / 1e12,8:F3} TFLOP/s, {work.BytesPerSecond / 1e9,8:F1} GB/s");

    private SgLang.Tokenization.Tokenizer Tokenizer => _model.Tokenizer
        ?? throw new BenchUsageException($"--prompt-filename needs a tokenizer, and {_model.Info.ModelPath} has none; leave it out, or name one with --tokenizer-path");

    private int[][] RandomPrompts(int batch, int input)
    {
        int[][] prompts = new int[batch][];
        for (int i = 0; i < batch; i++) prompts[i] = _random.Integers(0, Math.Min(LargestRandomId, _model.Info.VocabularySize), input);
        return prompts;
    }

    private void Print(FormattableString line) => _output.WriteLine(line.ToString(CultureInfo.InvariantCulture));

    private static double Seconds(long since) => Stopwatch.GetElapsedTime(since).TotalSeconds;
}
