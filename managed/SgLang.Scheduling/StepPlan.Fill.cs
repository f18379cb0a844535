namespace SgLang.Scheduling;

/// <summary>How the planners fill a plan: <see cref="Begin"/>, prompts, then decoding requests; never more requests than there are rows.</summary>
public sealed partial class StepPlan
{
    internal void Begin(StepKind kind)
    {
        Kind = kind;
        Array.Clear(requests, 0, NumRequests);
        NumRequests = NumTokens = NumSamples = NumPrefillRequests = NumPrefillTokens = NumCachedTokens = NumCopies = 0;
        HasInputLogprobs = false;
    }

    /// <summary>The next <paramref name="count"/> known tokens of a request that has pages for them; its KV length is still the old one.</summary>
    internal void AddPrefill(Request request, int count, int pageSize, bool samples)
    {
        int start = request.KvLength;
        int first = NumTokens;
        Add(request, count, samples);
        NumPrefillRequests++;
        NumPrefillTokens += count;

        ReadOnlySpan<int> tokens = request.Tokens;
        ReadOnlySpan<int> requestPages = request.Pages.Span;
        tokens.Slice(start, count).CopyTo(tokenSources.AsSpan(first));
        for (int i = 0; i < count; i++)
        {
            int position = start + i;
            positions[first + i] = position;
            slots[first + i] = requestPages[position / pageSize] * pageSize + position % pageSize;
        }

        ReadOnlySpan<int> targets = request.PromptIds[Math.Min(start + 1, request.PromptLength)..];
        targets = targets[..Math.Min(count, targets.Length)];
        targets.CopyTo(logprobTargets.AsSpan(first));
        logprobTargets.AsSpan(first + targets.Length, count - targets.Length).Fill(-1);
        if (request.NextInputLogprob < request.PromptLength)
        {
            int window = Math.Clamp(request.NextInputLogprob - start, 0, count);
            inputLogprobStart[NumRequests - 1] = window;
            HasInputLogprobs |= window < count;
        }
    }

    /// <summary>The token after those in KV of a request that has a page for it; its KV length is still the old one.</summary>
    internal void AddDecode(Request request, int pageSize)
    {
        int position = request.KvLength;
        int token = NumTokens;
        Add(request, 1, samples: true);
        tokenSources[token] = request.Pending > 0 ? -(request.Row + 1) : request.Tokens[position];
        positions[token] = position;
        slots[token] = request.Pages.Span[position / pageSize] * pageSize + position % pageSize;
        logprobTargets[token] = -1;
    }

    private void Add(Request request, int count, bool samples)
    {
        int i = NumRequests++;
        NumTokens += count;
        EnsureTokens(NumTokens);
        requests[i] = request;
        epochs[i] = request.Epoch;
        rows[i] = request.Row;
        queryStart[i + 1] = NumTokens;
        kvLength[i] = request.KvLength + count;
        inputLogprobStart[i] = count;
        if (samples) sampleIndex[NumSamples++] = i;

        ReadOnlySpan<int> requestPages = request.Pages.Span;
        int end = pageStart[i] + requestPages.Length;
        if (end > pages.Length) Array.Resize(ref pages, Math.Max(end, 2 * pages.Length));
        requestPages.CopyTo(pages.AsSpan(pageStart[i]));
        pageStart[i + 1] = end;
    }

    private void EnsureTokens(int count)
    {
        if (count <= tokenSources.Length) return;
        int size = Math.Max(count, Math.Max(64, 2 * tokenSources.Length));
        Array.Resize(ref tokenSources, size);
        Array.Resize(ref positions, size);
        Array.Resize(ref slots, size);
        Array.Resize(ref logprobTargets, size);
    }
}
