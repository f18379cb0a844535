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
    private double[] _left = new double[16];
    private int[] _occupied = new int[16];
    private int _count;
    private bool _isBuilt;

    /// <summary>Before each prefill plan.</summary>
    public void Start()
    {
        _isBuilt = false;
        _count = 0;
    }

    /// <summary>A request was admitted by this plan.</summary>
    public void Admitted(Request request)
    {
        if (_isBuilt) Add(request);
    }

    /// <param name="freeTokens">Tokens that are free once the candidate's prompt has been taken off.</param>
    /// <param name="admitted">Requests this plan has admitted before.</param>
    public bool Fits(Request candidate, long freeTokens, ReadOnlySpan<Request> admitted)
    {
        if (!_isBuilt) Build(admitted);
        double candidateLeft = Left(candidate);
        bool isPlaced = candidateLeft <= 0;
        int remaining = isPlaced ? _count : _count + 1;
        double free = freeTokens;
        for (int i = 0; remaining > 0;)
        {
            bool isCandidate = !isPlaced && (i == _count || candidateLeft <= _left[i]);
            double tokensLeft = isCandidate ? candidateLeft : _left[i];
            if (free - tokensLeft * remaining <= ReservedPerRequest * remaining) return false;
            if (isCandidate)
            {
                free += candidate.Tokens.Length;
                isPlaced = true;
            }
            else
            {
                free += _occupied[i++];
            }
            remaining--;
        }
        return true;
    }

    private double Left(Request request) =>
        request.MaxNewTokens * (request.SamplingParams.IgnoreEos ? 1 : state.Ratio.Value) - request.PlannedOutput;

    private void Build(ReadOnlySpan<Request> admitted)
    {
        _isBuilt = true;
        for (Request? request = state.Running.First; request is not null; request = request.Next) Add(request);
        foreach (Request request in admitted) Add(request);
    }

    private void Add(Request request)
    {
        double tokens = Left(request);
        if (tokens <= 0) return;
        if (_count == _left.Length)
        {
            Array.Resize(ref _left, 2 * _count);
            Array.Resize(ref _occupied, 2 * _count);
        }
        int at = _count++;
        for (; at > 0 && _left[at - 1] > tokens; at--)
        {
            _left[at] = _left[at - 1];
            _occupied[at] = _occupied[at - 1];
        }
        _left[at] = tokens;
        _occupied[at] = request.Tokens.Length + request.Pending;
    }
}
