using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Engines;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using SgLang.Benchmarks;

// What the engine costs without a model.
//
//   SgLang.Benchmarks --filter '*'    planning a step, prefixes in a large tree (BenchmarkDotNet's options)
//   SgLang.Benchmarks streams [MS]    1,000 HTTP streams: rate, latency added to a token, order, processor time of an event (MS: of one step)
//   SgLang.Benchmarks plain-streams   the same bytes through bare sockets: what this machine's network alone costs
//   SgLang.Benchmarks soak MINUTES    the streams again and again: nothing lost, memory flat (exit code 1 otherwise)
switch (args)
{
    case ["soak", string minutes]: return await StreamingSoak.RunAsync(minutes);
    case ["streams"]: return await StreamingLoad.RunAsync(pace: null);
    case ["streams", string pace]: return await StreamingLoad.RunAsync(pace);
    case ["plain-streams"]: return await PlainStreams.RunAsync();
    case [StreamReaders.Command, ..]: return StreamReaders.Run(args.AsMemory(1));
}

// In this process, which is compiled as the published program is. What a benchmark changes is put back before each iteration, so there is one call in each.
Job job = Job.Default.WithToolchain(InProcessEmitToolchain.Instance).WithStrategy(RunStrategy.Monitoring).WithLaunchCount(1)
    .WithWarmupCount(5).WithIterationCount(100).WithInvocationCount(1).WithUnrollFactor(1);
BenchmarkSwitcher.FromAssembly(typeof(PlanningBenchmarks).Assembly).Run(args, DefaultConfig.Instance.AddJob(job));
return 0;
