using System.Diagnostics;
using SgLang.Engine;
using SgLang.Protocol;

namespace SgLang.Server.Monitoring;

/// <summary>What meta_info tells of a finished request's way with --enable-metrics: seconds since the Unix epoch, but for the queue time.</summary>
internal readonly struct RequestTimes(Generation generation, long received, long dispatched)
{
    public void WriteTo(MetaInfo meta)
    {
        long now = Stopwatch.GetTimestamp();
        double unixNow = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() / 1000.0;
        GenerationTimes times = generation.Times;
        meta.QueueTime = times.QueueSeconds;
        meta.ForwardEntryTime = Unix(times.Admitted);
        meta.PrefillFinishedTime = Unix(times.FirstToken);
        meta.RequestReceivedTs = Unix(received);
        meta.ApiServerDispatchFinishTs = Unix(dispatched);
        meta.RequestFinishedTs = Unix(times.Finished);
        meta.ResponseSentToClientTs = unixNow;
        if (times.DecodeSeconds is > 0 and { } decode && generation.CompletionTokens > 1) meta.DecodeThroughput = (generation.CompletionTokens - 1) / decode;

        double? Unix(long time) => time == 0 ? null : unixNow - Stopwatch.GetElapsedTime(time, now).TotalSeconds;
    }
}
