using System.Globalization;
using Microsoft.Extensions.Logging;
using SgLang.Core;
using SgLang.Engine;
using SgLang.Nodes;

namespace SgLang.Server;

/// <summary>A whole server from options to exit code: address, model, HTTP, warm-up, requests, shutdown, in this order.</summary>
public static partial class ServerProgram
{
    /// <summary>0 after a signal, 1 when it could not start or the engine died; the reason is in the log.</summary>
    /// <param name="progress">Called with (what, done, total) while weights load.</param>
    /// <param name="loaded">Called when loading is over, also where it failed.</param>
    public static async Task<int> RunAsync(
        EngineOptions engineOptions, ServerOptions serverOptions, ILoggerFactory logs, Action<string, long, long>? progress = null, Action? loaded = null)
    {
        ILogger log = logs.CreateLogger("SgLang.Server");
        try
        {
            ServerOptions options = serverOptions.WithEnvironment(Environment.GetEnvironmentVariable);
            using var lifetime = new ServerLifetime(options, logs);
            // Before minutes are spent on weights.
            await ServerHost.CheckAddressAsync(options);
            if (engineOptions.NodeRank > 0) return await RunNodeAsync(engineOptions, options, lifetime, logs, progress, loaded);
            await using NodeHead? nodes = engineOptions.NumNodes > 1 ? await NodeHead.StartAsync(engineOptions, logs.CreateLogger("SgLang.Nodes")) : null;
            await using InferenceEngine engine = Load(engineOptions, nodes, logs, progress, loaded);
            Summarize(log, engine);
            using FlightSignal? flight = FlightSignal.Register(engine.Profiler.Flight);
            if (lifetime.Stopping.IsCancellationRequested) return 0;
            await using ServerHost host = await ServerHost.StartAsync(engine, options, logs);
            Log.Listening(log, host.Address.ToString());
            try
            {
                await host.WarmUpAsync(lifetime.Stopping);
            }
            catch (OperationCanceledException)
            {
                return 0;
            }
            return await lifetime.RunAsync(host, engine);
        }
        catch (Exception e) when (e is EngineStartException or ServerStartException)
        {
            Log.CannotStart(log, e.Message);
            return 1;
        }
    }

    /// <summary>A node without HTTP but for its health: it works for node 0.</summary>
    private static async Task<int> RunNodeAsync(
        EngineOptions engineOptions, ServerOptions options, ServerLifetime lifetime, ILoggerFactory logs, Action<string, long, long>? progress, Action? loaded)
    {
        NodeWorker worker = new(engineOptions, logs.CreateLogger("SgLang.Nodes"));
        await using NodeHealth health = await NodeHealth.StartAsync(options, () => worker.IsReady);
        Log.Listening(logs.CreateLogger("SgLang.Server"), health.Address.ToString());
        try
        {
            return await worker.RunAsync(progress, lifetime.Stopping);
        }
        catch (OperationCanceledException)
        {
            return 0;
        }
        finally
        {
            loaded?.Invoke();
        }
    }

    private static InferenceEngine Load(EngineOptions options, NodeHead? nodes, ILoggerFactory logs, Action<string, long, long>? progress, Action? loaded)
    {
        try
        {
            ILogger log = logs.CreateLogger("SgLang.Engine");
            return nodes is null ? InferenceEngine.Start(options, progress, log) : nodes.StartEngine(progress, log);
        }
        finally
        {
            loaded?.Invoke();
        }
    }

    private static void Summarize(ILogger log, InferenceEngine engine)
    {
        EngineInfo info = engine.Info;
        Log.Model(log, info.ModelPath, info.Architectures.Count > 0 ? info.Architectures[0] : info.ModelType, info.VocabularySize, info.ContextLength);
        Log.Device(log, info.Device, info.DType, info.NumThreads);
        Log.Memory(log, Gigabytes(info.WeightBytes), Gigabytes(info.KvCacheBytes), info.MaxTotalTokens, info.PageSize, info.MaxRunningRequests);
        Log.Loaded(log, info.LoadTime.TotalSeconds);
        if (engine.Tokenizer is null) Log.NoTokenizer(log);
    }

    private static string Gigabytes(long bytes) => (bytes / (double)(1L << 30)).ToString("0.00", CultureInfo.InvariantCulture);

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Information, Message = "Model: {Path:l} ({Architecture:l}), vocabulary {Vocabulary}, context length {ContextLength}")]
        public static partial void Model(ILogger logger, string path, string architecture, int vocabulary, int contextLength);

        [LoggerMessage(Level = LogLevel.Information, Message = "Device: {Device:l}, dtype {DType:l}, threads {Threads}")]
        public static partial void Device(ILogger logger, string device, string dType, int threads);

        [LoggerMessage(Level = LogLevel.Information,
            Message = "Memory: weights {Weights:l} GB, KV cache {KvCache:l} GB for max_total_num_tokens={MaxTotalTokens} in pages of {PageSize}, max_running_requests={MaxRunning}")]
        public static partial void Memory(ILogger logger, string weights, string kvCache, int maxTotalTokens, int pageSize, int maxRunning);

        [LoggerMessage(Level = LogLevel.Information, Message = "Loaded in {Seconds:0.00} s")]
        public static partial void Loaded(ILogger logger, double seconds);

        [LoggerMessage(Level = LogLevel.Warning, Message = "There is no tokenizer: requests must give input_ids, and answers have output_ids only.")]
        public static partial void NoTokenizer(ILogger logger);

        [LoggerMessage(Level = LogLevel.Information, Message = "Listening on {Address:l}")]
        public static partial void Listening(ILogger logger, string address);

        [LoggerMessage(Level = LogLevel.Critical, Message = "{Reason:l}")]
        public static partial void CannotStart(ILogger logger, string reason);
    }
}
