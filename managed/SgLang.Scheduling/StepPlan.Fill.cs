using System.Numerics;

namespace SgLang.Scheduling;

/// <summary>How the planners fill a plan: <see cref="Begin"/>, prompts, then decoding requests; never more requests than there are rows.</summary>
public sealed partial class StepPlan
{
    /// <summary>
    /// One token of nobody, at position 0 of the dummy page, of which nothing is sampled: what a rank runs that must take part in others' steps.
    /// It belongs to no scheduler; its <see cref="Requests"/> are null.
    /// </summary>
    public static StepPlan CreatePadding()
    {
        StepPlan plan = new(1, 1) { Kind = StepKind.Decode, NumRequests = 1, NumTokens = 1 };
        (plan._queryStart[1], plan._kvLength[0], plan._pageStart[1], plan._inputLogprobStart[0]) = (1, 1, 1, 1);
        return plan;
    }

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
    /// <param name="room">Entries left free behind the request's pages, for <see cref="AdvanceDecode"/> to fill.</param>
    internal void AddDecode(Request request, int pageSize, int room = 0)
    {
        int position = request.KvLength;
        int token = NumTokens;
        Add(request, 1, samples: true, room);
        _tokenSources[token] = request.Pending > 0 ? -(request.Row + 1) : request.Tokens[position];
        _positions[token] = position;
        _slots[token] = request.Pages.Span[position / pageSize] * pageSize + position % pageSize;
        _logprobTargets[token] = -1;
    }

    /// <summary>
    /// From the plan of a decode step to that of the one after the next, of the same requests: what the two steps do not change, such as nearly all of
    /// the page table, stays where it is and is not read, and no request is looked at. A forward pass leaves little of a plan in the processor's
    /// caches, so that what is touched here is what it costs.
    /// </summary>
    /// <param name="first">[NumRequests] the page that each request was given for the step between, 0 for none; empty when nobody was.</param>
    /// <param name="second">Likewise for this step. The request's pages have room for them.</param>
    internal void AdvanceDecode(ReadOnlySpan<int> first, ReadOnlySpan<int> second, int pageSize)
    {
        const int Steps = 2;
        Span<int> positions = _positions.AsSpan(0, NumTokens), lengths = _kvLength.AsSpan(0, NumTokens), slots = _slots.AsSpan(0, NumTokens);
        for (int i = 0; i < positions.Length; i++) positions[i] += Steps;
        for (int i = 0; i < lengths.Length; i++) lengths[i] += Steps;
        for (int i = 0; i < slots.Length; i++) slots[i] += Steps;
        for (int i = 0; i < first.Length; i++)
            if (first[i] != 0) AppendPage(i, first[i], positions[i] - 1, pageSize);
        for (int i = 0; i < second.Length; i++)
            if (second[i] != 0) AppendPage(i, second[i], positions[i], pageSize);
    }

    /// <param name="first">The position of the page's first token, the step's own or the one before.</param>
    private void AppendPage(int request, int page, int first, int pageSize)
    {
        _pages[_pageStart[request] + first / pageSize] = page;
        _slots[request] = page * pageSize + _positions[request] - first;
    }

    private void Add(Request request, int count, bool samples, int room = 0)
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
        int end = _pageStart[i] + requestPages.Length + room;
        if (end > _pages.Length) Array.Resize(ref _pages, Math.Max(end, 2 * _pages.Length));
        requestPages.CopyTo(_pages.AsSpan(_pageStart[i]));
        _pages.AsSpan(end - room, room).Clear();
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
