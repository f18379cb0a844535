using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using SgLang.Core;
using SgLang.Engine;
using SgLang.Protocol;
using SgLang.Scheduling;

namespace SgLang.Server.Serving;

/// <summary>From what the engine remembers of a request to what people and programs are told.</summary>
internal static class RequestReports
{
    private const int MaxDecisions = 50;

    /// <param name="now"><see cref="Stopwatch"/> time stamp.</param>
    public static RequestSummary Summarize(RequestRecord record, long now)
    {
        ReadOnlySpan<TimelineEntry> entries = record.Timeline.Entries;
        FinishReason? finish = record.Timeline.Finish;
        double Since(long time) => Seconds(time - record.Submitted);
        List<RequestPhase> phases = Phases(record, entries, now);
        long? first = null;
        int retractions = 0;
        foreach (TimelineEntry entry in entries)
        {
            if (entry.Event == RequestEvent.FirstToken) first ??= entry.Time;
            if (entry.Event is RequestEvent.Retracted or RequestEvent.Preempted) retractions++;
        }
        double end = finish is null ? Since(now) : Since(entries[^1].Time);
        return new RequestSummary
        {
            Rid = record.Rid,
            State = finish is { } reason ? (reason.Kind == FinishKind.Abort ? "aborted" : "finished") : phases is [.., var last] ? (last.Phase == "stalled" ? "decode" : last.Phase) : "queued",
            SubmittedAt = record.SubmittedAt.ToUnixTimeMilliseconds() / 1000.0,
            PromptTokens = record.Timeline.PromptTokens,
            CachedTokens = record.Timeline.CachedTokens,
            OutputTokens = record.Timeline.OutputTokens,
            MaxNewTokens = record.MaxNewTokens,
            Priority = record.Priority,
            Stream = record.IsStreaming,
            QueueTime = Round(phases.Where(phase => phase.Phase == "queued").Sum(phase => phase.To - phase.From)),
            TimeToFirstToken = first is { } at ? Since(at) : null,
            Latency = end,
            Retractions = retractions,
            FinishReason = finish is { } why ? Text(why) : null,
        };
    }

    public static RequestReport Report(RequestRecord record, long now)
    {
        ReadOnlySpan<TimelineEntry> entries = record.Timeline.Entries;
        List<RequestPhase> phases = Phases(record, entries, now);
        double Since(long time) => Seconds(time - record.Submitted);
        RequestSending? sent = record.LastSent == 0 ? null : new RequestSending(Since(record.FirstSent), Since(record.LastSent), record.Chunks);
        if (sent is not null) phases.Add(new RequestPhase("sent", sent.First, sent.Last));
        var timeline = new List<RequestHappening>();
        foreach (TimelineEntry entry in entries)
            timeline.Add(new RequestHappening(Name(entry.Event.ToString()), Since(entry.Time), entry.Step == 0 ? null : entry.Step, entry.Tokens, Text(entry, record)));
        return new RequestReport
        {
            Request = Summarize(record, now),
            Phases = phases,
            Timeline = timeline,
            OmittedEvents = record.Timeline.OmittedEntries,
            Waited = Wait(record, entries, now),
            Sent = sent,
        };
    }

    private static RequestWait Wait(RequestRecord record, ReadOnlySpan<TimelineEntry> entries, long now)
    {
        WaitCounts counts = record.Timeline.Waited(record.Log);
        var byCause = new Dictionary<string, long>();
        long total = 0;
        for (int cause = 0; cause < WaitCounts.NumCauses; cause++)
        {
            if (counts[cause] == 0) continue;
            byCause[Name(((WaitCause)cause).ToString())] = counts[cause];
            total += counts[cause];
        }
        var latest = new List<WaitDecision>();
        long queued = 0;
        foreach (TimelineEntry entry in entries)
        {
            if (entry.Event == RequestEvent.Queued) queued = entry.Time;
            else if (queued != 0 && entry.Event is RequestEvent.Admitted or RequestEvent.Finished) AddDecisions(record, queued, entry.Time, latest);
            if (entry.Event != RequestEvent.Queued) queued = 0;
        }
        if (queued != 0) AddDecisions(record, queued, now, latest);
        return new RequestWait { Decisions = total, ByCause = byCause, Latest = [.. latest.TakeLast(MaxDecisions)] };
    }

    private static void AddDecisions(RequestRecord record, long from, long to, List<WaitDecision> into)
    {
        foreach (PlanDecision decision in record.Log.Between(from, to, MaxDecisions))
            into.Add(new WaitDecision
            {
                Cause = Name(decision.Cause.ToString()),
                Text = Text(decision, record.Rid),
                Head = decision.Head,
                FirstStep = decision.FirstStep,
                LastStep = decision.LastStep,
                Count = decision.Count,
                From = Seconds(decision.FirstTime - record.Submitted),
                To = Seconds(decision.LastTime - record.Submitted),
                Admitted = decision.Admitted,
                NeededTokens = decision.NeededTokens,
                RemainingTotal = decision.RemainingTotal,
                RemainingCurrent = decision.RemainingCurrent,
                RemainingInput = decision.RemainingInput,
                RemainingChunk = decision.RemainingChunk,
                FreeTokens = decision.FreeTokens,
                EvictableTokens = decision.EvictableTokens,
                FreeRows = decision.FreeRows,
                Running = decision.Running,
                Waiting = decision.Waiting,
                NewTokenRatio = decision.NewTokenRatio,
            });
    }

    private static List<RequestPhase> Phases(RequestRecord record, ReadOnlySpan<TimelineEntry> entries, long now)
    {
        var phases = new List<RequestPhase>();
        double start = 0;
        string current = "queued";
        foreach (TimelineEntry entry in entries)
        {
            double at = Seconds(entry.Time - record.Submitted);
            switch (entry.Event)
            {
                case RequestEvent.Admitted:
                    Close(at, "prefill");
                    break;
                case RequestEvent.FirstToken:
                    Close(at, "decode");
                    break;
                case RequestEvent.Stalled:
                    double stalled = Seconds(entry.Time - entry.Duration - record.Submitted);
                    Close(Math.Max(start, stalled), "stalled");
                    Close(at, "decode");
                    break;
                case RequestEvent.Retracted or RequestEvent.Preempted or RequestEvent.Suspended:
                    Close(at, "queued");
                    break;
                case RequestEvent.Finished:
                    Close(at, "");
                    break;
            }
        }
        if (current.Length > 0) Close(Seconds(now - record.Submitted), "");
        return phases;

        void Close(double at, string next)
        {
            if (at > start) phases.Add(new RequestPhase(current, start, at));
            start = Math.Max(start, at);
            current = next;
        }
    }

    private static string Text(in TimelineEntry entry, RequestRecord record) => entry.Event switch
    {
        RequestEvent.Queued => entry.Tokens == 0 ? "joined an empty queue" : $"joined the queue behind {entry.Tokens} others",
        RequestEvent.Admitted => $"admitted by step {entry.Step}; {entry.Tokens} tokens found in the prefix cache",
        RequestEvent.Prefill => $"step {entry.Step} computes {entry.Tokens} of its tokens",
        RequestEvent.FirstToken => "the first output token is known",
        RequestEvent.Stalled => $"a token came {Seconds(entry.Duration).ToString("0.000", CultureInfo.InvariantCulture)} s after the one before; {entry.Tokens} steps for others ran in between",
        RequestEvent.Retracted => $"gave its memory back because the KV pool was full; {entry.Tokens} tokens are computed again",
        RequestEvent.Preempted => $"gave its place to a request of higher priority; {entry.Tokens} tokens are computed again",
        RequestEvent.Suspended => $"gave its memory back for a pause; {entry.Tokens} tokens are computed again",
        _ => $"ended after {entry.Tokens} output tokens: {(record.Timeline.Finish is { } finish ? Text(finish) : "")}",
    };

    private static string Text(in PlanDecision decision, string rid)
    {
        string head = decision.Head == rid ? "this request" : decision.Head is { } other ? $"request {other}, which is ahead of it," : "the next request";
        string reason = decision.Cause switch
        {
            WaitCause.NoRow => "every place is taken (--max-running-requests)",
            WaitCause.NoMemory =>
                $"{head} needs {decision.NeededTokens} tokens of KV memory and {decision.RemainingTotal} are not spoken for ({decision.FreeTokens} free, {decision.EvictableTokens} evictable, the rest reserved for answers under way)",
            WaitCause.StepTokens => decision.RemainingChunk is { } chunk
                ? $"the step has its share of prompt tokens ({Math.Max(chunk, 0)} of --chunked-prefill-size left)"
                : $"the step has its share of prompt tokens ({Math.Max(decision.RemainingInput, 0)} of --max-prefill-tokens left)",
            WaitCause.StepRequests => $"the step has its share of new requests (--prefill-max-requests), {decision.Admitted} were admitted",
            WaitCause.Paused => "the server is paused (/pause_generation)",
            WaitCause.ChunkedPrompt => "a longer prompt is computed in chunks and took the step",
            _ => $"{head} has only just given way to others",
        };
        return $"{reason}; {decision.Running} running, {decision.Waiting} waiting";
    }

    private static string Text(FinishReason reason) => reason.Kind switch
    {
        FinishKind.Length => "length",
        FinishKind.Abort => $"abort {reason.StatusCode}: {reason.Text}",
        FinishKind.StopToken => "stop token",
        _ => "stop text",
    };

    private static string Name(string pascal) => JsonNamingPolicy.SnakeCaseLower.ConvertName(pascal);

    private static double Seconds(long ticks) => Round((double)ticks / Stopwatch.Frequency);

    private static double Round(double seconds) => Math.Round(seconds, 6);
}
