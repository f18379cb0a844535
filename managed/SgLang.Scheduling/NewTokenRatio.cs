namespace SgLang.Scheduling;

/// <summary>
/// The share of its remaining max_new_tokens that admission sets aside for a running request. Most requests stop early, so it starts below
/// one and falls while decoding goes well; a retraction raises it.
/// </summary>
internal sealed class NewTokenRatio
{
    private readonly double _initial, _minimum, _decay;
    private readonly int _reservedPerRequest;

    public NewTokenRatio(SchedulerOptions options)
    {
        _initial = Math.Min(options.InitialNewTokenRatio * options.Conservativeness, 1);
        _minimum = Math.Min(_initial * options.MinNewTokenRatioFactor, 1);
        _decay = (_initial - _minimum) / options.NewTokenRatioDecaySteps;
        _reservedPerRequest = options.RetractDecodeSteps;
        Value = _initial;
    }

    public double Value { get; private set; }

    public void Reset() => Value = _initial;

    /// <summary>After a decode step that found memory.</summary>
    public void Decay() => Value = Math.Max(Value - _decay, _minimum);

    /// <summary>After a retraction: what the survivors have used of their maximum, with some reserve.</summary>
    public void Raise(long generated, int survivors, long maxNewTokens) =>
        Value = Math.Min(1, (generated + (double)_reservedPerRequest * survivors) / (maxNewTokens + 1));
}
