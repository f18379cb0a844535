using System.Diagnostics;
using System.Text;
using Microsoft.Extensions.Logging;
using SgLang.Core;
using SgLang.Engine;
using SgLang.Server.Serving;

namespace SgLang.Server.Monitoring;

/// <summary>
/// Watches the generations of one HTTP request and feeds the metrics and the request log. Disposed with its group: what has not finished by
/// then was abandoned.
/// </summary>
internal sealed partial class RequestObserver : IDisposable
{
    private readonly ServingContext _serving;
    private readonly GenerationGroup _group;
    private readonly IReadOnlyList<GenerationRequest> _requests;
    private readonly bool _isStreaming;
    private readonly bool _measures;
    private readonly bool _logs;
    private readonly long[] _last;
    private readonly double[] _firstToken;
    private readonly StringBuilder?[] _texts;
    private readonly bool[] _hasFinished;
    private readonly long _received;
    private readonly long _dispatched = Stopwatch.GetTimestamp();

    private RequestObserver(ServingContext serving, GenerationGroup group, IReadOnlyList<GenerationRequest> requests, bool isStreaming, long received, bool measures, bool logs)
    {
        _received = received;
        _hasFinished = new bool[group.Items.Count];
        _serving = serving;
        _group = group;
        _requests = requests;
        _isStreaming = isStreaming;
        _measures = measures && serving.Options.EnableMetrics;
        _logs = logs && serving.RequestLog.IsOn;
        _last = new long[group.Items.Count];
        _firstToken = new double[group.Items.Count];
        _texts = new StringBuilder?[group.Items.Count];
    }

    /// <param name="received">Time stamp of the HTTP request's arrival.</param>
    public static RequestObserver Begin(ServingContext serving, GenerationGroup group, IReadOnlyList<GenerationRequest> requests, bool isStreaming, long received,
        bool measures = true, bool logs = true)
    {
        var observer = new RequestObserver(serving, group, requests, isStreaming, received, measures, logs);
        group.Observer = observer;
        if (observer._logs)
            foreach (GenerationRequest request in requests) serving.RequestLog.Received(request);
        return observer;
    }

    /// <summary>For meta_info; null on a server without metrics.</summary>
    public RequestTimes? Times(int index) => _serving.Options.EnableMetrics ? new RequestTimes(_group.Items[index], _received, _dispatched) : null;

    public void Chunk(GenerationChunk chunk)
    {
        if (!_measures && !_logs && !_serving.Options.EnableRequestTimeStatsLogging) return;
        int index = chunk.Index;
        long now = Stopwatch.GetTimestamp();
        // Without streaming everything comes at once: there is no first token to time.
        if (_isStreaming && chunk.TokenIds.Count > 0)
        {
            if (_last[index] == 0)
            {
                _firstToken[index] = Stopwatch.GetElapsedTime(_received, now).TotalSeconds;
                if (_measures) _serving.Metrics.FirstToken(_firstToken[index]);
                if (_measures && chunk.TokenIds.Count > 1) _serving.Metrics.BetweenTokens(0, chunk.TokenIds.Count - 1);
            }
            else if (_measures)
            {
                _serving.Metrics.BetweenTokens(Stopwatch.GetElapsedTime(_last[index], now).TotalSeconds / chunk.TokenIds.Count, chunk.TokenIds.Count);
            }
            _last[index] = now;
        }
        if (_logs && _serving.RequestLog.ShowsText) (_texts[index] ??= new StringBuilder()).Append(chunk.Text);
        if (chunk.Finish is null) return;

        Generation generation = _group.Items[index];
        _hasFinished[index] = true;
        if (_measures) _serving.Metrics.Finished(generation, chunk.Finish.Value.Kind == FinishKind.Abort, _received);
        if (_logs) _serving.RequestLog.Finished(_requests[index], generation, chunk.Finish, _texts[index]?.ToString() ?? "");
        if (_serving.Options.EnableRequestTimeStatsLogging)
        {
            Log.TimeStats(_serving.Log, generation.Rid, generation.Elapsed.TotalSeconds, _isStreaming ? _firstToken[index] : null,
                generation.PromptTokens, generation.CachedTokens, generation.CompletionTokens, generation.NumRetractions);
        }
    }

    public void Dispose()
    {
        for (int i = 0; i < _hasFinished.Length; i++)
        {
            if (_hasFinished[i]) continue;
            if (_measures) _serving.Metrics.Abandoned();
            if (_logs) _serving.RequestLog.Finished(_requests[i], _group.Items[i], FinishReason.Abort("The client went away."), _texts[i]?.ToString() ?? "");
        }
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Information,
            Message = "Req Time Stats(rid={Rid:l}, e2e={E2e:0.000}s, ttft={Ttft:0.000}s, input len={InputLength}, cached input len={Cached}, output len={OutputLength}, retractions={Retractions})")]
        public static partial void TimeStats(
            ILogger logger, string rid, double e2e, double? ttft, int inputLength, int cached, int outputLength, int retractions);
    }
}
