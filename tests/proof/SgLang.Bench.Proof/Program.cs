using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Runtime;
using System.Text.Json.Nodes;
using SgLang.Bench.Datasets;
using SgLang.Bench.Load;
using SgLang.Bench.Proof;
using SgLang.Bench.Serving;
using SgLang.Bench.Statistics;

// How precisely bench-serving measures and sends: it runs against a server with a known schedule, in a process of its own on the same machine.
//
//   SgLang.Bench.Proof            all four measurements
//   SgLang.Bench.Proof streams    1,000 streams, 50,000 tokens/s: reported times against the schedule
//   SgLang.Bench.Proof rate       2,000 requests/s: sent times against the schedule
//   SgLang.Bench.Proof processor  20,000 tokens/s: the client's own use of the processor
//   SgLang.Bench.Proof overhead   what bench-one-batch adds to a decode step
//
// A measurement that other work of the machine has disturbed is repeated, at most twice; every one is printed. Exit code 1 when a limit was kept in
// none of them.
PreciseSockets.UseForThisProcess();
string model = Path.GetFullPath(Path.Combine(typeof(ScriptedServer).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "RepositoryRoot").Value!, "models", "demo"));
if (args is ["serve", var firstMs, var intervalMs, var turns, var file]) return Serve(firstMs, intervalMs, turns, file);

string[] wanted = args.Length > 0 ? args : ["streams", "rate", "processor", "overhead"];
bool isKept = !wanted.Contains("overhead") || await Repeat(() => Task.FromResult(OneBatchOverhead.Measure()));
if (wanted is ["overhead"]) return isKept ? 0 : 1;

// Also for the server, a process that has compiled nothing yet.
const int WarmUpRequests = 200;

// What the first run of a process measures is mostly its compilation.
await MeasureAsync("warm-up", prompts: 200, tokens: 30, rate: double.PositiveInfinity, first: 60, interval: 10, quiet: true);
if (wanted.Contains("streams")) isKept &= await Repeat(() => MeasureAsync("1,000 streams, 50,000 tokens/s", prompts: 1000, tokens: 250, rate: double.PositiveInfinity, first: 60, interval: 20));
if (wanted.Contains("rate")) isKept &= await Repeat(() => MeasureAsync("2,000 requests/s", prompts: 10000, tokens: 1, rate: 2000, first: 20, interval: 20));
if (wanted.Contains("processor")) isKept &= await Repeat(() => MeasureAsync("20,000 tokens/s", prompts: 400, tokens: 250, rate: double.PositiveInfinity, first: 60, interval: 20));
return isKept ? 0 : 1;

async Task<bool> Repeat(Func<Task<bool>> measure)
{
    const int Rounds = 3;
    for (int round = 1; round < Rounds; round++)
        if (await measure()) return true;
    return await measure();
}

int Serve(string first, string interval, string turns, string timesFile)
{
    using ScriptedServer server = new(TimeSpan.FromMilliseconds(double.Parse(first, CultureInfo.InvariantCulture)), TimeSpan.FromMilliseconds(double.Parse(interval, CultureInfo.InvariantCulture)), int.Parse(turns, CultureInfo.InvariantCulture), model);
    GCSettings.LatencyMode = GCLatencyMode.SustainedLowLatency;
    server.Start();
    Console.WriteLine(server.Address);
    // The end of the standard input asks for the times.
    Console.In.ReadToEnd();
    using BinaryWriter writer = new(File.Create(timesFile));
    foreach (StreamTimes times in server.Times)
    {
        writer.Write(times.Id);
        writer.Write(times.Planned.Length);
        for (int i = 0; i < times.Planned.Length; i++)
        {
            writer.Write(times.Planned[i]);
            writer.Write(times.Sent[i]);
        }
    }
    return 0;
}

async Task<bool> MeasureAsync(string name, int prompts, int tokens, double rate, int first, int interval, bool quiet = false)
{
    string directory = Directory.CreateTempSubdirectory("sgl-proof").FullName;
    string dataset = Path.Combine(directory, "prompts.jsonl"), times = Path.Combine(directory, "times"), result = Path.Combine(directory, "result.jsonl");
    // A time stamp keeps the lines in their order; the number that begins a prompt names its stream.
    File.WriteAllLines(dataset, Enumerable.Range(0, prompts).Select(i => $$"""{"timestamp": 0, "conversations": [{"value": "{{i}} go on"}, {"value": "and on and on"}]}"""));
    ProcessStartInfo start = new(Environment.ProcessPath!) { RedirectStandardInput = true, RedirectStandardOutput = true };
    if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet") start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "SgLang.Bench.Proof.dll"));
    foreach (string argument in (string[])["serve", $"{first}", $"{interval}", $"{(double.IsFinite(rate) ? 0 : prompts)}", times]) start.ArgumentList.Add(argument);
    using Process server = Process.Start(start)!;
    Uri address = new((await server.StandardOutput.ReadLineAsync())!);
    ServingBenchmark benchmark = new(new ServingOptions
    {
        BaseUrl = address, OutputFile = result, WarmupRequests = WarmUpRequests,
        Dataset = new DatasetOptions { Name = "custom", Path = dataset, NumPrompts = prompts, ShareGptOutputLength = Math.Max(4, tokens) },
        ExtraBody = new JsonObject { ["sampling_params"] = new JsonObject { ["max_new_tokens"] = tokens } },
        Arrivals = new ArrivalOptions { Rate = rate },
    }, TextWriter.Null, TextWriter.Null);
    ServingRun run = (await benchmark.RunAsync()).Single();
    server.StandardInput.Close();
    await server.WaitForExitAsync();
    bool isKept = quiet || Report(name, run, Read(times), interval);
    Directory.Delete(directory, recursive: true);
    return isKept;
}

static Dictionary<int, (long[] Planned, long[] Sent)> Read(string file)
{
    Dictionary<int, (long[], long[])> streams = [];
    using BinaryReader reader = new(File.OpenRead(file));
    while (reader.BaseStream.Position < reader.BaseStream.Length)
    {
        int id = reader.ReadInt32(), count = reader.ReadInt32();
        long[] planned = new long[count], sent = new long[count];
        for (int i = 0; i < count; i++) (planned[i], sent[i]) = (reader.ReadInt64(), reader.ReadInt64());
        streams[id] = (planned, sent);
    }
    return streams;
}

// True when every limit of the run was kept.
static bool Report(string name, ServingRun run, Dictionary<int, (long[] Planned, long[] Sent)> streams, int interval)
{
    List<double> server = [], ttft = [], arrival = [], itl = [], ownTtft = [], ownItl = [];
    foreach (RequestRecord record in run.Records)
    {
        if (!record.IsSuccess) throw new InvalidOperationException($"a request failed: {record.Error}");
        (long[] planned, long[] sent) = streams[record.Index];
        // Two tokens in one read have the same time stamp; none is lost.
        List<Arrival> arrivals = record.Arrivals;
        int token = 0;
        for (int i = 0; i < arrivals.Count; i++)
        {
            for (int n = 0; n < arrivals[i].Tokens; n++, token++)
            {
                server.Add(Microseconds(planned[token], sent[token]));
                arrival.Add(Microseconds(planned[token], arrivals[i].At));
                if (token > 0) continue;
                ttft.Add(Microseconds(planned[0], arrivals[0].At));
                ownTtft.Add(Microseconds(sent[0], arrivals[0].At));
            }
            if (i == 0) continue;
            double gap = Microseconds(arrivals[i - 1].At, arrivals[i].At);
            itl.Add(Math.Abs(gap - (interval * 1000.0)));
            // Between the last tokens of both reads.
            ownItl.Add(Math.Abs(gap - Microseconds(sent[token - (arrivals[i].Tokens ?? 0) - 1], sent[token - 1])));
        }
        if (token != planned.Length) throw new InvalidOperationException($"stream {record.Index}: {token} tokens were counted of {planned.Length}");
    }
    ServingMetrics m = run.Metrics;
    double seconds = m.Duration;
    Console.WriteLine($"{name}: {run.Records.Count} requests, {m.OutputTokens} tokens in {Show(seconds)} s = {Show(m.OutputTokens / seconds)} tokens/s");
    const double Microseconds200 = 200;
    bool isOpenLoop = double.IsFinite(run.Rate);
    Line("server sent after schedule", server);
    bool isKept = Line("TTFT reported minus scheduled", ttft, Microseconds200);
    Line("token reported minus scheduled", arrival);
    if (itl.Count > 0) isKept &= Line("ITL reported against schedule", itl, Microseconds200);
    // What the server sent late is not the client's error.
    Line("TTFT reported minus sent", ownTtft);
    if (ownItl.Count > 0) Line("ITL reported against sent", ownItl);
    // All at once, requests wait for each other.
    isKept &= Line("request sent after schedule", [.. run.Records.Select(r => Microseconds(r.Scheduled, r.Sent))], isOpenLoop ? Microseconds200 : null);
    double cores = (double)run.Line["client_cpu_s"]! / seconds;
    Console.WriteLine($"  client's processors                {Show(cores)} cores, {(cores < 1 ? "below" : "NOT BELOW")} 1");
    return isKept && cores < 1;
}

static bool Line(string what, List<double> values, double? limit = null)
{
    Summary s = Summary.Of(values);
    double[] sorted = [.. values.Order()];
    Console.WriteLine($"  {what,-34} p50 {Show(s.Median!.Value),9} us  p99 {Show(s.P99!.Value),9} us  p99.9 {Show(Summary.Percentile(sorted, 99.9)),9} us  max {Show(s.Max!.Value),9} us"
        + (limit is { } most ? $"  p99 {(s.P99 <= most ? "within" : "BEYOND")} {most} us" : ""));
    return !(s.P99 > limit);
}

static double Microseconds(long from, long to) => 1e6 * (to - from) / Stopwatch.Frequency;

static string Show(double value) => value.ToString("F2", CultureInfo.InvariantCulture);
