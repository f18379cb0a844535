using System.Diagnostics;

namespace SgLang.Engine;

/// <summary>When a request reached its stages, as <see cref="Stopwatch"/> time stamps; 0 for one that it has not reached.</summary>
/// <param name="Queued">The scheduler took it.</param>
/// <param name="Admitted">It joined a step for the first time.</param>
/// <param name="FirstToken">Its whole prompt was computed.</param>
/// <param name="Finished">Its last token was known.</param>
public readonly record struct GenerationTimes(long Queued, long Admitted, long FirstToken, long Finished)
{
    /// <summary>Seconds; null while one of the two is to come.</summary>
    public double? QueueSeconds => Between(Queued, Admitted);
    public double? PrefillSeconds => Between(Admitted, FirstToken);
    public double? DecodeSeconds => Between(FirstToken, Finished);

    private static double? Between(long from, long to) => from == 0 || to == 0 ? null : Stopwatch.GetElapsedTime(from, to).TotalSeconds;
}
