namespace SgLang.Scheduling;

/// <summary>
/// The share of its remaining max_new_tokens that admission sets aside for a running request. Most requests stop early, so it starts below
/// one and falls while decoding goes well; a retraction raises it.
/// </summary>
internal sealed class NewTokenRatio
{
    private const double Initial = 0.7, MinimumShare = 0.14;
    private const int DecayTokens = 600, ReservedTokens = 20;

    private readonly double _initial, _minimum, _decay;

    public NewTokenRatio(double conservativeness)
    {
        _initial = Math.Min(Initial * conservativeness, 1);
        _minimum = Math.Min(_initial * MinimumShare, 1);
        _decay = (_initial - _minimum) / DecayTokens;
        Value = _initial;
    }

    public double Value { get; private set; }

    /// <summary>Tokens kept free for each survivor of a retraction.</summary>
    public static int ReservedPerRequest => ReservedTokens;

    public void Reset() => Value = _initial;

    /// <summary>After a decode step that found memory.</summary>
    public void Decay() => Value = Math.Max(Value - _decay, _minimum);

    /// <summary>After a retraction: what the survivors have used of their maximum, with some reserve.</summary>
    public void Raise(long generated, int survivors, long maxNewTokens) =>
        Value = Math.Min(1, (generated + (double)ReservedTokens * survivors) / (maxNewTokens + 1));
}
