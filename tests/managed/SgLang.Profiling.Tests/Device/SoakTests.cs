using System.IO.Compression;
using System.Text.Json.Nodes;

namespace SgLang.Profiling.Tests.Device;

/// <summary>Many windows one after the other, with pauses between and within them.</summary>
[Collection(FakeCupti.Tests)]
public sealed class SoakTests : IDisposable
{
    private const int NumWindows = 200;
    private const string KernelName = "kernel";

    private readonly string _directory = TestDirectory.Create("sglang-soak");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    /// <param name="bufferBytes">Of one buffer of records, and <paramref name="maxBytes"/> of all: 0 for more than enough.</param>
    [Theory]
    [InlineData(0, 0)]
    [InlineData(4096, 8192)]
    public void No_kernel_of_200_windows_is_missing_that_is_not_reported_and_memory_stays_flat(long bufferBytes, long maxBytes)
    {
        int seed = Environment.TickCount;
        Random random = new(seed);
        using FakeCupti device = new(bufferBytes, maxBytes);
        TraceRecorder recorder = new();
        int name = recorder.Names.Register("step");
        long settled = 0, lost = 0;
        uint correlation = 0;
        for (int window = 0; window < NumWindows; window++)
        {
            // Work between two windows belongs to neither.
            Work(random.Next(0, 20));
            Pause();
            TraceFile? written = null;
            TraceCapture capture = new(recorder, _directory, done => written = ChromeTraceWriter.Write(done, new TraceFileInfo
            {
                Options = new ProfileOptions { OutputDirectory = _directory, Id = "soak" },
                Rank = new RankCoordinates(0),
            }), device: device.Trace);
            device.Trace.TurnOn(capture.Window);
            int launched = 0;
            for (int part = random.Next(1, 4); part > 0; part--)
            {
                int count = random.Next(0, 150);
                long start = recorder.Begin();
                Work(count);
                recorder.End(start, name);
                launched += count;
                Pause();
            }
            device.Trace.TurnOff(capture.Window);
            capture.End();
            capture.Join();

            using GZipStream gzip = new(File.OpenRead(written!.Path), CompressionMode.Decompress);
            JsonNode trace = JsonNode.Parse(gzip)!, loss = trace["sglang"]!["loss"]!;
            int kernels = trace["traceEvents"]!.AsArray().Count(e => (string?)e!["cat"] == "kernel");
            int calls = trace["traceEvents"]!.AsArray().Count(e => (string?)e!["cat"] == "cuda_runtime");
            long dropped = (long)loss["device_records_dropped"]!;
            Assert.True(kernels + calls + dropped == 2 * launched, $"seed {seed}, window {window}: {launched} launched, {kernels} kernels and {calls} calls in the file, {dropped} records reported lost");
            // A launch that is there without its kernel, or the other way round, is counted as well.
            Assert.True(Math.Abs(kernels - calls) <= (long)loss["launches_without_kernels"]! + (long)loss["kernels_without_launches"]!, $"seed {seed}, window {window}: {loss.ToJsonString()}");
            lost += dropped;
            if (window == NumWindows / 4) settled = GC.GetTotalMemory(forceFullCollection: true);
        }
        Assert.Equal(maxBytes > 0, lost > 0);
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - settled, long.MinValue, 4 << 20);
        Assert.Single(Directory.GetFiles(_directory));

        void Work(int count)
        {
            for (int i = 0; i < count; i++)
            {
                FakeCupti.Call(++correlation);
                ulong start = FakeCupti.Now();
                FakeCupti.Kernel(KernelName, start, FakeCupti.Now(), 7, correlation);
            }
        }

        void Pause()
        {
            if (random.Next(4) == 0) Thread.Sleep(random.Next(0, 12));
        }
    }
}
