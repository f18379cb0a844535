using System.Runtime.InteropServices;

namespace SgLang.Scheduling;

/// <summary>
/// A plan's numbers as bytes, int32 little endian, for ranks in another process: a header, then the arrays in the order of
/// <see cref="Exchange"/>. Requests are told apart by their rows (see <see cref="StepPlanMirror"/>).
/// </summary>
public sealed partial class StepPlan
{
    private const int HeaderLength = 12;

    /// <summary>Fills an array that is reused while it is large enough. Returns the number of bytes.</summary>
    public int WriteTo(ref byte[] bytes)
    {
        int pages = _pageStart[NumRequests];
        int numInts = HeaderLength + LengthOfArrays(NumRequests, NumTokens, NumSamples, pages, NumCopies, HasInputLogprobs);
        if (bytes.Length < numInts * sizeof(int)) bytes = new byte[numInts * sizeof(int) * 3 / 2];
        Span<int> ints = MemoryMarshal.Cast<byte, int>(bytes.AsSpan(0, numInts * sizeof(int)));
        ints[0] = (int)StepId;
        ints[1] = (int)(StepId >> 32);
        ints[2] = (int)Kind;
        ints[3] = NumRequests;
        ints[4] = NumTokens;
        ints[5] = NumSamples;
        ints[6] = NumPrefillRequests;
        ints[7] = NumPrefillTokens;
        ints[8] = NumCachedTokens;
        ints[9] = HasInputLogprobs ? 1 : 0;
        ints[10] = pages;
        ints[11] = NumEmbeddings;
        Exchange(ints[HeaderLength..], pages, static (array, wire) => array.CopyTo(wire));
        return numInts * sizeof(int);
    }

    /// <exception cref="InvalidDataException">The bytes are no plan.</exception>
    internal void ReadFrom(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length % sizeof(int) != 0 || bytes.Length < HeaderLength * sizeof(int)) throw new InvalidDataException($"a plan of {bytes.Length} bytes");
        int[] ints = MemoryMarshal.Cast<byte, int>(bytes).ToArray();
        Begin((StepKind)ints[2]);
        StepId = (uint)ints[0] | (long)ints[1] << 32;
        (int requests, int tokens, int samples, int pages) = (ints[3], ints[4], ints[5], ints[10]);
        if (requests < 0 || tokens < 0 || samples < 0 || pages < 0 || samples > requests
            || ints.Length != HeaderLength + (long)LengthOfArrays(requests, tokens, samples, pages, 0, ints[9] != 0))
            throw new InvalidDataException($"a plan of {bytes.Length} bytes for {requests} requests, {tokens} tokens, {samples} samples and {pages} pages");
        Reserve(requests, pages);
        EnsureTokens(tokens);
        (NumRequests, NumTokens, NumSamples) = (requests, tokens, samples);
        (NumPrefillRequests, NumPrefillTokens, NumCachedTokens, NumEmbeddings, HasInputLogprobs) = (ints[6], ints[7], ints[8], ints[11], ints[9] != 0);
        Exchange(ints.AsSpan(HeaderLength), pages, static (array, wire) => wire.CopyTo(array));
    }

    internal void SetRequest(int i, Request request)
    {
        _requests[i] = request;
        _epochs[i] = request.Epoch;
    }

    private static int LengthOfArrays(int requests, int tokens, int samples, int pages, int copies, bool hasTargets)
    {
        // Pages are never copied between requests by the planners there are; a plan that did would have to say so in its header.
        if (copies != 0) throw new NotSupportedException("a plan that copies pages does not travel");
        return checked(3 * requests + 2 * (requests + 1) + samples + pages + (hasTargets ? 4 : 3) * tokens);
    }

    private void Exchange(Span<int> wire, int pages, Action<Span<int>, Span<int>> copy)
    {
        Next(ref wire, _rows, NumRequests, copy);
        Next(ref wire, _queryStart, NumRequests + 1, copy);
        Next(ref wire, _kvLength, NumRequests, copy);
        Next(ref wire, _pageStart, NumRequests + 1, copy);
        Next(ref wire, _pages, pages, copy);
        Next(ref wire, _sampleIndex, NumSamples, copy);
        Next(ref wire, _inputLogprobStart, NumRequests, copy);
        Next(ref wire, _tokenSources, NumTokens, copy);
        Next(ref wire, _positions, NumTokens, copy);
        Next(ref wire, _slots, NumTokens, copy);
        if (HasInputLogprobs) Next(ref wire, _logprobTargets, NumTokens, copy);
    }

    private static void Next(ref Span<int> wire, int[] array, int count, Action<Span<int>, Span<int>> copy)
    {
        copy(array.AsSpan(0, count), wire[..count]);
        wire = wire[count..];
    }

    private void Reserve(int requests, int pages)
    {
        if (requests > _requests.Length)
        {
            int room = Math.Max(requests, 2 * _requests.Length);
            Array.Resize(ref _requests, room);
            Array.Resize(ref _epochs, room);
            Array.Resize(ref _rows, room);
            Array.Resize(ref _queryStart, room + 1);
            Array.Resize(ref _kvLength, room);
            Array.Resize(ref _pageStart, room + 1);
            Array.Resize(ref _sampleIndex, room);
            Array.Resize(ref _inputLogprobStart, room);
        }
        if (pages > _pages.Length) Array.Resize(ref _pages, Math.Max(pages, 2 * _pages.Length));
    }
}
