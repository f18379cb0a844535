using SgLang.Profiling;

namespace SgLang.Engine;

/// <summary>Names of the engine's own spans (spec/profiling.md 6.1).</summary>
internal sealed class EngineSpans(TraceNames names)
{
    public int ReceiveRequests { get; } = names.Register("scheduler.recv_requests");
    public int ProcessInputs { get; } = names.Register("scheduler.process_input_requests");
    public int GetNextBatch { get; } = names.Register("scheduler.get_next_batch_to_run", "step", "waiting", "used_tokens");
    public int RunBatch { get; } = names.Register("scheduler.run_batch", "step");
    public int ProcessResult { get; } = names.Register("scheduler.process_batch_result", "step");
    public int WaitForRanks { get; } = names.Register("scheduler.wait_for_ranks", "step");
    public int PrepareInputs { get; } = names.Register("prepare_inputs");
    public int Sample { get; } = names.Register("sampler.sample", "rows");
    public int CopyResult { get; } = names.Register("copy_result_to_cpu", "rows");
    public int SwitchDevice { get; } = names.Register("profiler.switch_device");
    public int DeviceStep { get; } = names.Register("step on device", "step", "device_ns", "bs", "toks");
    public int Detokenize { get; } = names.Register("detokenizer.decode", "tokens");
}
