using SgLang.Profiling;

namespace SgLang.Engine;

/// <summary>NVTX ranges around the stages of the engine's loop, with the colours of spec/profiling.md 9.2. Used by the engine's thread.</summary>
internal static class SchedulerRanges
{
    private const uint Blue = 0xff0000ff, Purple = 0xff800080, Green = 0xff00ff00, Red = 0xffff0000, Cyan = 0xff00ffff;

    public static void ReceiveRequests() => NvtxRanges.Push("scheduler.recv_requests\0"u8, Blue);

    public static void ProcessInputs() => NvtxRanges.Push("scheduler.process_input_requests\0"u8, Purple);

    public static void GetNextBatch() => NvtxRanges.Push("scheduler.get_next_batch_to_run\0"u8, Green);

    public static void RunBatch() => NvtxRanges.Push("scheduler.run_batch\0"u8, Red);

    public static void ProcessResult() => NvtxRanges.Push("scheduler.process_batch_result\0"u8, Cyan);
}
