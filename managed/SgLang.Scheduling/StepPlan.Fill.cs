using System.Numerics;

namespace SgLang.Scheduling;

/// <summary>How the planners fill a plan: <see cref="Begin"/>, prompts, then decoding requests; never more requests than there are rows.</summary>
public sealed partial class StepPlan
{
    internal void Begin(StepKind kind)
    {
        Kind = kind;
        Array.Clear(_requests, 0, NumRequests);
        NumRequests = NumTokens = NumSamples = NumEmbeddings = NumPrefillRequests = NumPrefillTokens = NumCachedTokens = NumCopies = 0;
        HasInputLogprobs = false;
    }

    /// <summary>The next <paramref name="count"/> known tokens of a request that has pages for them; its KV length is still the old one.</summary>
    internal void AddPrefill(Request request, int count, int pageSize, bool samples)
    {
        int start = request.KvLength;
        int first = NumTokens;
        Add(request, count, samples);
        if (EndsEmbedding(NumRequests - 1)) NumEmbeddings++;
        NumPrefillRequests++;
        NumPrefillTokens += count;

        ReadOnlySpan<int> tokens = request.Tokens;
        ReadOnlySpan<int> requestPages = request.Pages.Span;
        tokens.Slice(start, count).CopyTo(_tokenSources.AsSpan(first));
        FillAscending(_positions.AsSpan(first, count), start);
        // Slots ascend within a page: no division for each token.
        Span<int> slots = _slots.AsSpan(first, count);
        int page = start / pageSize, offset = start % pageSize;
        while (slots.Length > 0)
        {
            int run = Math.Min(pageSize - offset, slots.Length);
            FillAscending(slots[..run], (requestPages[page++] * pageSize) + offset);
            slots = slots[run..];
            offset = 0;
        }

        ReadOnlySpan<int> targets = request.PromptIds[Math.Min(start + 1, request.PromptLength)..];
        targets = targets[..Math.Min(count, targets.Length)];
        targets.CopyTo(_logprobTargets.AsSpan(first));
        _logprobTargets.AsSpan(first + targets.Length, count - targets.Length).Fill(-1);
        if (request.NextInputLogprob < request.PromptLength)
        {
            int window = Math.Clamp(request.NextInputLogprob - start, 0, count);
            _inputLogprobStart[NumRequests - 1] = window;
            HasInputLogprobs |= window < count;
        }
    }

    /// <summary>The token after those in KV of a request that has a page for it; its KV length is still the old one.</summary>
    internal void AddDecode(Request request, int pageSize)
    {
        int position = request.KvLength;
        int token = NumTokens;
        Add(request, 1, samples: true);
        _tokenSources[token] = request.Pending > 0 ? -(request.Row + 1) : request.Tokens[position];
        _positions[token] = position;
        _slots[token] = request.Pages.Span[position / pageSize] * pageSize + position % pageSize;
        _logprobTargets[token] = -1;
    }

    /// <summary>
    /// From the plan of a decode step to that of the one after the next, of the same requests: what the two steps do not change, such as nearly all of
    /// the page table, stays where it is, and no request is looked at.
    /// </summary>
    /// <param name="first">[NumRequests] the page that each request was given for the step between, 0 for none; empty when nobody was.</param>
    /// <param name="second">Likewise for this step.</param>
    internal void AdvanceDecode(ReadOnlySpan<int> first, ReadOnlySpan<int> second, int pageSize)
    {
        const int Steps = 2;
        Span<int> positions = _positions.AsSpan(0, NumTokens), lengths = _kvLength.AsSpan(0, NumTokens), slots = _slots.AsSpan(0, NumTokens);
        for (int i = 0; i < positions.Length; i++) positions[i] += Steps;
        for (int i = 0; i < lengths.Length; i++) lengths[i] += Steps;
        if (first.IsEmpty && second.IsEmpty)
        {
            // Nobody has left its page.
            for (int i = 0; i < slots.Length; i++) slots[i] += Steps;
            return;
        }
        InsertPages(first, second);
        for (int i = 0; i < slots.Length; i++) slots[i] = _pages[_pageStart[i + 1] - 1] * pageSize + positions[i] % pageSize;
    }

    /// <summary>From the last request back, so that what moves up overwrites only what has moved.</summary>
    private void InsertPages(ReadOnlySpan<int> first, ReadOnlySpan<int> second)
    {
        int end = _pageStart[NumRequests];
        foreach (int page in first) end += page != 0 ? 1 : 0;
        foreach (int page in second) end += page != 0 ? 1 : 0;
        if (end > _pages.Length) Array.Resize(ref _pages, Math.Max(end, 2 * _pages.Length));
        for (int i = NumRequests - 1; i >= 0; i--)
        {
            int start = _pageStart[i], known = _pageStart[i + 1] - start;
            _pageStart[i + 1] = end;
            if (!second.IsEmpty && second[i] != 0) _pages[--end] = second[i];
            if (!first.IsEmpty && first[i] != 0) _pages[--end] = first[i];
            end -= known;
            _pages.AsSpan(start, known).CopyTo(_pages.AsSpan(end));
        }
    }

    private void Add(Request request, int count, bool samples)
    {
        int i = NumRequests++;
        NumTokens += count;
        EnsureTokens(NumTokens);
        _requests[i] = request;
        _epochs[i] = request.Epoch;
        _rows[i] = request.Row;
        _queryStart[i + 1] = NumTokens;
        _kvLength[i] = request.KvLength + count;
        _inputLogprobStart[i] = count;
        if (samples) _sampleIndex[NumSamples++] = i;

        ReadOnlySpan<int> requestPages = request.Pages.Span;
        int end = _pageStart[i] + requestPages.Length;
        if (end > _pages.Length) Array.Resize(ref _pages, Math.Max(end, 2 * _pages.Length));
        requestPages.CopyTo(_pages.AsSpan(_pageStart[i]));
        _pageStart[i + 1] = end;
    }

    private void EnsureTokens(int count)
    {
        if (count <= _tokenSources.Length) return;
        int size = Math.Max(count, Math.Max(64, 2 * _tokenSources.Length));
        Array.Resize(ref _tokenSources, size);
        Array.Resize(ref _positions, size);
        Array.Resize(ref _slots, size);
        Array.Resize(ref _logprobTargets, size);
    }

    private static void FillAscending(Span<int> values, int first)
    {
        int i = 0;
        for (; i <= values.Length - Vector<int>.Count; i += Vector<int>.Count) Vector.CreateSequence(first + i, 1).CopyTo(values[i..]);
        for (; i < values.Length; i++) values[i] = first + i;
    }
}
