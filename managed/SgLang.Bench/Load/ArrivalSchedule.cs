using SgLang.Bench.Statistics;

namespace SgLang.Bench.Load;

/// <summary>Absolute schedules, drawn before the clock starts, so that no delay of one request moves the next (an open loop).</summary>
public static class ArrivalSchedule
{
    /// <summary>Seconds from the start at which each request is due; the first at 0.</summary>
    public static double[] Draw(int count, ArrivalOptions options, NumpyRandom random)
    {
        double[] due = new double[count];
        if (!options.IsOpenLoop) return due;
        for (int i = 1; i < count; i++) due[i] = due[i - 1] + Gap(options, RateAt(options, (double)(i - 1) / Math.Max(1, count - 2)), random);
        return due;
    }

    /// <summary>Requests a second after this share of the requests.</summary>
    private static double RateAt(ArrivalOptions options, double share) => options.RampStrategy switch
    {
        "linear" => options.RampStart + ((options.RampEnd - options.RampStart) * share),
        "exponential" => options.RampStart * Math.Pow(options.RampEnd / options.RampStart, share),
        _ => options.Rate,
    };

    /// <summary>Of mean 1 / rate whatever the burstiness.</summary>
    private static double Gap(ArrivalOptions options, double rate, NumpyRandom random) => options.Burstiness switch
    {
        double.PositiveInfinity => 1 / rate,
        1 => random.Exponential(1 / rate),
        double shape => random.StandardGamma(shape) / (rate * shape),
    };
}
