namespace SgLang.Scheduling;

/// <summary>
/// Whether memory lasts if requests run to the length they are expected to. Requests that ignore EOS have a known length, so walking them
/// in the order they end, with what each gives back, admits more than setting everything aside does. Only without a prefix cache, whose
/// pages would not come back.
/// </summary>
internal sealed class IgnoreEosForecast(SchedulerState state)
{
    /// <summary>Tokens that must stay free for each request still running.</summary>
    private const int ReservedPerRequest = 1;

    // Sorted by tokens left.
    private double[] left = new double[16];
    private int[] occupied = new int[16];
    private int count;
    private bool isBuilt;

    /// <summary>Before each prefill plan.</summary>
    public void Start()
    {
        isBuilt = false;
        count = 0;
    }

    /// <summary>A request was admitted by this plan.</summary>
    public void Admitted(Request request)
    {
        if (isBuilt) Add(request);
    }

    /// <param name="freeTokens">Tokens that are free once the candidate's prompt has been taken off.</param>
    /// <param name="admitted">Requests this plan has admitted before.</param>
    public bool Fits(Request candidate, long freeTokens, ReadOnlySpan<Request> admitted)
    {
        if (!isBuilt) Build(admitted);
        double candidateLeft = Left(candidate);
        bool isPlaced = candidateLeft <= 0;
        int remaining = isPlaced ? count : count + 1;
        double free = freeTokens;
        for (int i = 0; remaining > 0;)
        {
            bool isCandidate = !isPlaced && (i == count || candidateLeft <= left[i]);
            double tokensLeft = isCandidate ? candidateLeft : left[i];
            if (free - tokensLeft * remaining <= ReservedPerRequest * remaining) return false;
            if (isCandidate)
            {
                free += candidate.Tokens.Length;
                isPlaced = true;
            }
            else
            {
                free += occupied[i++];
            }
            remaining--;
        }
        return true;
    }

    private double Left(Request request) =>
        request.MaxNewTokens * (request.SamplingParams.IgnoreEos ? 1 : state.Ratio.Value) - request.PlannedOutput;

    private void Build(ReadOnlySpan<Request> admitted)
    {
        isBuilt = true;
        for (Request? request = state.Running.First; request is not null; request = request.Next) Add(request);
        foreach (Request request in admitted) Add(request);
    }

    private void Add(Request request)
    {
        double tokens = Left(request);
        if (tokens <= 0) return;
        if (count == left.Length)
        {
            Array.Resize(ref left, 2 * count);
            Array.Resize(ref occupied, 2 * count);
        }
        int at = count++;
        for (; at > 0 && left[at - 1] > tokens; at--)
        {
            left[at] = left[at - 1];
            occupied[at] = occupied[at - 1];
        }
        left[at] = tokens;
        occupied[at] = request.Tokens.Length + request.Pending;
    }
}
