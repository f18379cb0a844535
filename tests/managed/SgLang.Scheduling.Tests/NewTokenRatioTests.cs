namespace SgLang.Scheduling.Tests;

public sealed class NewTokenRatioTests
{
    [Fact]
    public void It_starts_at_point_seven_and_decays_by_a_six_hundredth_of_its_range()
    {
        var ratio = new NewTokenRatio(Harness.Options());
        Assert.Equal(0.7, ratio.Value, 12);
        ratio.Decay();
        Assert.Equal(0.7 - 0.0010033, ratio.Value, 6);
        for (int i = 1; i < 100; i++) ratio.Decay();
        Assert.Equal(0.5997, ratio.Value, 4);
        for (int i = 0; i < 1000; i++) ratio.Decay();
        Assert.Equal(0.098, ratio.Value, 12);
        ratio.Reset();
        Assert.Equal(0.7, ratio.Value, 12);
    }

    [Fact]
    public void Conservativeness_two_starts_at_one_and_ends_at_fourteen_hundredths()
    {
        var ratio = new NewTokenRatio(Harness.Options() with { Conservativeness = 2 });
        Assert.Equal(1.0, ratio.Value, 12);
        for (int i = 0; i < 1000; i++) ratio.Decay();
        Assert.Equal(0.14, ratio.Value, 12);
    }

    [Fact]
    public void A_retraction_sets_it_from_what_survivors_have_used()
    {
        var ratio = new NewTokenRatio(Harness.Options());
        ratio.Raise(generated: 150, survivors: 2, maxNewTokens: 400);
        Assert.Equal(0.4738, ratio.Value, 4);
        ratio.Raise(generated: 400, survivors: 2, maxNewTokens: 400);
        Assert.Equal(1.0, ratio.Value);
    }

    [Fact]
    public void Where_it_starts_how_far_and_fast_it_falls_and_its_reserve_are_options()
    {
        var ratio = new NewTokenRatio(Harness.Options() with
        {
            InitialNewTokenRatio = 0.4, Conservativeness = 2, MinNewTokenRatioFactor = 0.5, NewTokenRatioDecaySteps = 4, RetractDecodeSteps = 100,
        });
        Assert.Equal(0.8, ratio.Value, 12);
        ratio.Decay();
        Assert.Equal(0.7, ratio.Value, 12);
        for (int i = 0; i < 5; i++) ratio.Decay();
        Assert.Equal(0.4, ratio.Value, 12);
        ratio.Raise(generated: 150, survivors: 2, maxNewTokens: 499);
        Assert.Equal(0.7, ratio.Value, 12);
    }
}
