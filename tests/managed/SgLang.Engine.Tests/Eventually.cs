namespace SgLang.Engine.Tests;

/// <summary>Waits for what another thread brings about.</summary>
internal static class Eventually
{
    private const int Seconds = 30;

    /// <param name="state">What to show when it does not come true.</param>
    public static async Task Is(Func<bool> condition, Func<string>? state = null)
    {
        for (long deadline = Environment.TickCount64 + (Seconds * 1000); !condition(); await Task.Delay(5))
            Assert.True(Environment.TickCount64 < deadline, $"the condition did not come true in {Seconds} s: {state?.Invoke()}");
    }
}
