using System.Globalization;
using System.Text.Json.Nodes;

namespace SgLang.Bench.Profiling;

/// <summary>How far a window of a server's profiler is.</summary>
/// <param name="IsOpen">It has begun, or waits for its first step, and its files are not there yet.</param>
/// <param name="IsWriting">All steps are over; files are being written.</param>
/// <param name="Result">What the server says of the window when it has ended; null before.</param>
public readonly record struct ProfileProgress(long StepsRecorded, bool IsOpen = false, bool IsWriting = false, JsonObject? Result = null)
{
    internal const int MaxWidth = 80;
    private const int BarWidth = 30;

    /// <summary>One line: a bar where the number of steps is known.</summary>
    internal string ToText(int? totalSteps)
    {
        string what = Result is not null ? "done" : IsWriting ? "writing files" : StepsRecorded == 0 ? "waiting for the first step" : "recording";
        if (totalSteps is not { } total) return string.Create(CultureInfo.InvariantCulture, $"{StepsRecorded} steps, {what}");
        int filled = (int)(Math.Min(StepsRecorded, total) * BarWidth / Math.Max(1, total));
        return string.Create(CultureInfo.InvariantCulture, $"[{new string('#', filled)}{new string('.', BarWidth - filled)}] {StepsRecorded}/{total} steps, {what}");
    }
}
