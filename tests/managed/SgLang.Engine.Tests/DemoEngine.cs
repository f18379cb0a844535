namespace SgLang.Engine.Tests;

/// <summary>One engine on the demo model for the tests that leave nothing behind in it.</summary>
public sealed class DemoEngine : IAsyncLifetime
{
    public InferenceEngine Engine { get; private set; } = null!;

    public ValueTask InitializeAsync()
    {
        Engine = InferenceEngine.Start(TestModels.DemoOptions);
        return ValueTask.CompletedTask;
    }

    public ValueTask DisposeAsync() => Engine.DisposeAsync();
}
