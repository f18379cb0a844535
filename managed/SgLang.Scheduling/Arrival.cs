using SgLang.Core;

namespace SgLang.Scheduling;

/// <summary>What is settled once when a request arrives: whether it can be served at all, and how much it may generate.</summary>
internal static class Arrival
{
    /// <summary>Why the request is refused, or null after its limits have been set.</summary>
    public static FinishReason? Settle(Request request, SchedulerOptions options)
    {
        int input = request.PromptLength;
        if (input == 0) return FinishReason.Abort("The prompt is empty; give at least one token.", 400);
        if (input >= options.MaxRequestInputLength)
            return FinishReason.Abort(
                $"Input length ({input} tokens) exceeds the maximum allowed length ({options.MaxRequestInputLength} tokens). "
                + "Use a shorter input.", 400);
        int logprobStart = request.LogprobOptions?.StartLength ?? -1;
        if (logprobStart < -1 || logprobStart > input)
            return FinishReason.Abort($"logprob_start_len must be in [-1, {input}] (the prompt's length), got {logprobStart}.", 400);
        if (request.Priority is not null && options is { EnablePriorityScheduling: false, AbortOnPriorityWhenDisabled: true })
            return FinishReason.Abort(
                "Using priority is disabled on this server: send the request without priority, or start the server with --enable-priority-scheduling.", 503);

        request.NextInputLogprob = logprobStart == -1 ? input : logprobStart;
        request.MaxNewTokens = ClampMaxNewTokens(request.SamplingParams.MaxNewTokens, input, options);
        request.MinNewTokens = Math.Min(request.SamplingParams.MinNewTokens, request.MaxNewTokens);
        return null;
    }

    /// <summary>
    /// The last bound leaves room for a page of misalignment; without it a request could be admissible in length and yet never pass the
    /// admission budget of an empty pool.
    /// </summary>
    public static int ClampMaxNewTokens(int? requested, int input, SchedulerOptions options)
    {
        int roundedInput = (input + options.PageSize - 1) / options.PageSize * options.PageSize;
        int limit = Math.Min(options.MaxRequestLength - input - 1, options.CapacityTokens - roundedInput - options.PageSize - 1);
        return Math.Max(0, Math.Min(Math.Min(requested ?? int.MaxValue, options.MaxNewTokensLimit ?? int.MaxValue), limit));
    }
}
