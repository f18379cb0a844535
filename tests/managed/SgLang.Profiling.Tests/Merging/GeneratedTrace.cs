using System.IO.Compression;
using System.Text;

namespace SgLang.Profiling.Tests.Merging;

/// <summary>
/// Makes rank traces as a profiled server writes them: for every kernel an operator with shapes, a launch, the kernel with the arguments that
/// CUPTI gives and the two ends of its flow; about 268 bytes an event before compression.
/// </summary>
internal static class GeneratedTrace
{
    private static readonly string[] s_modules = ["input_layernorm", "self_attn.qkv_proj", "self_attn.attn", "self_attn.o_proj", "post_attention_layernorm", "mlp.gate_up_proj", "mlp.down_proj"];

    public static void Write(string path, int rank, int worldSize, int numEvents, int seed, CompressionLevel level = CompressionLevel.Fastest)
    {
        var random = new Random(seed + rank);
        using var gzip = new GZipStream(File.Create(path), level);
        using var text = new StreamWriter(gzip, new UTF8Encoding(false), 1 << 16) { NewLine = "\n" };
        int pid = 4000 + rank;
        text.WriteLine($$$"""
            {
            "schemaVersion": 1,
            "deviceProperties": [{"id": 0, "name": "NVIDIA H100 80GB HBM3", "totalGlobalMem": 85017493504, "numSms": 132}],
            "distributedInfo": {"backend": "nccl", "rank": {{{rank}}}, "world_size": {{{worldSize}}}, "pg_count": 0, "pg_config": []},
            "displayTimeUnit": "ms",
            "baseTimeNanoseconds": 1790857026000000000,
            "traceEvents": [
            {"name":"process_name","ph":"M","ts":0.000,"pid":{{{pid}}},"tid":0,"args":{"name":"sglang"}},
            {"name":"process_labels","ph":"M","ts":0.000,"pid":0,"tid":0,"args":{"labels":"GPU 0"}},
            {"name":"process_sort_index","ph":"M","ts":0.000,"pid":0,"tid":0,"args":{"sort_index":5000000}}
            """);
        long host = 4_631_144_536_000_000, device = host + 5_000;
        int written = 3;
        for (int kernel = 0; written < numEvents; kernel++)
        {
            string module = s_modules[kernel % s_modules.Length];
            int layer = kernel / s_modules.Length % 32, correlation = 11_544 + kernel, rows = 1 + random.Next(32);
            long launch = 3_000 + random.Next(4_000), busy = 1_500 + random.Next(30_000);
            device = Math.Max(device, host + launch);
            Line($$$"""{"ph":"X","cat":"cpu_op","name":"model.layers.{{{layer}}}.{{{module}}}","pid":{{{pid}}},"tid":{{{pid}}},"ts":{{{Time(host)}}},"dur":{{{Time(launch + 2_000)}}},"args":{"External id":{{{kernel}}},"Sequence number":{{{kernel}}},"Fwd thread id":0,"Record function id":0,"Concrete Inputs":["","","-1","False","False"],"Input type":["c10::BFloat16","c10::BFloat16","Scalar"],"Input Strides":[[4096,1],[4096,1],[]],"Input Dims":[[{{{rows}}},4096],[6144,4096],[]],"FLOPs":{{{2L * rows * 4096 * 6144}}},"bytes":{{{2L * 4096 * 6144}}},"Ev Idx":{{{kernel}}}}}""");
            Line($$$"""{"ph":"X","cat":"cuda_runtime","name":"cudaLaunchKernelExC","pid":{{{pid}}},"tid":{{{pid}}},"ts":{{{Time(host + 1_000)}}},"dur":{{{Time(launch)}}},"args":{"External id":{{{kernel}}},"cbid":430,"correlation":{{{correlation}}}}}""");
            Line($$$"""{"ph":"s","id":{{{correlation}}},"pid":{{{pid}}},"tid":{{{pid}}},"ts":{{{Time(host + 1_000)}}},"cat":"ac2g","name":"ac2g"}""");
            Line($$$"""{"ph":"X","cat":"kernel","name":"void sgl::gemm_{{{module}}}_kernel<__nv_bfloat16, sgl::TileScheduler<132, true>, sgl::Epilogue<__nv_bfloat16, false>, 128, {{{8 + 8 * (kernel % 5)}}}, 4>(sgl::GemmParams, CUtensorMap, CUtensorMap)","pid":0,"tid":7,"ts":{{{Time(device)}}},"dur":{{{Time(busy)}}},"args":{"External id":{{{kernel}}},"queued":0,"device":0,"context":1,"stream":7,"correlation":{{{correlation}}},"registers per thread":168,"shared memory":{{{random.Next(200_000)}}},"blocks per SM":0.969697,"warps per SM":7.757576,"grid":[{{{1 + random.Next(128)}}},1,1],"block":[256,1,1],"est. achieved occupancy %":12}}""");
            Line($$$"""{"ph":"f","id":{{{correlation}}},"pid":0,"tid":7,"ts":{{{Time(device)}}},"cat":"ac2g","name":"ac2g","bp":"e"}""");
            host += launch + 4_000;
            device += busy + 800;
        }
        text.WriteLine("\n],\n\"traceName\": \"generated\"\n}");

        void Line(string item)
        {
            if (written++ < numEvents) text.Write(",\n" + item);
        }
    }

    private static string Time(long nanoseconds) => $"{nanoseconds / 1000}.{nanoseconds % 1000:000}";
}
