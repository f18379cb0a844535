using SgLang.Models.Layers;

namespace SgLang.Models.Tests;

public class RotaryTableTests
{
    [Fact]
    public void Default_frequencies_are_powers_of_theta()
    {
        double[] inverse = RotaryTable.InverseFrequencies(new RopeConfig { RotaryDim = 128, Theta = 5e5 });
        Assert.Equal(64, inverse.Length);
        Assert.Equal(1, inverse[0]);
        Assert.Equal(Math.Pow(5e5, -0.5), inverse[32], 1e-15);
    }

    [Fact]
    public void Llama3_keeps_the_first_frequency_and_divides_the_last_by_its_factor()
    {
        var plain = new RopeConfig { RotaryDim = 128, Theta = 5e5 };
        RopeConfig scaled = plain with { Type = RopeType.Llama3, Factor = 8, LowFreqFactor = 1, HighFreqFactor = 4, OriginalMaxPositions = 8192 };
        double[] before = RotaryTable.InverseFrequencies(plain), after = RotaryTable.InverseFrequencies(scaled);
        Assert.Equal(1, after[0]);
        Assert.Equal(before[63] / 8, after[63], 1e-18);
        for (int i = 0; i < 64; i++)
        {
            double wavelength = 2 * Math.PI / before[i];
            if (wavelength < 2048) Assert.Equal(before[i], after[i]);
            else if (wavelength > 8192) Assert.Equal(before[i] / 8, after[i], 1e-18);
            else Assert.InRange(after[i], before[i] / 8, before[i]);
        }
    }

    [Fact]
    public void Linear_divides_every_frequency()
    {
        var plain = new RopeConfig { RotaryDim = 64 };
        double[] before = RotaryTable.InverseFrequencies(plain);
        double[] after = RotaryTable.InverseFrequencies(plain with { Type = RopeType.Linear, Factor = 4 });
        for (int i = 0; i < before.Length; i++) Assert.Equal(before[i] / 4, after[i], 1e-15);
    }

    [Fact]
    public void Dynamic_raises_theta_for_the_longest_length()
    {
        double[] inverse = RotaryTable.InverseFrequencies(new RopeConfig { RotaryDim = 64, Theta = 1e4, Type = RopeType.Dynamic, Factor = 2, OriginalMaxPositions = 2048 });
        // theta' = 1e4 * (2 * 4096 / 2048 - 1)^(64 / 62)
        double theta = 1e4 * Math.Pow(3, 64.0 / 62);
        Assert.Equal(Math.Pow(theta, -2.0 * 5 / 64), inverse[5], 1e-15);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Yarn_interpolates_between_the_two_ends_of_its_ramp(bool truncate)
    {
        var plain = new RopeConfig { RotaryDim = 128, Theta = 1e6 };
        RopeConfig yarn = plain with { Type = RopeType.Yarn, Factor = 4, OriginalMaxPositions = 32768, Truncate = truncate };
        double[] before = RotaryTable.InverseFrequencies(plain), after = RotaryTable.InverseFrequencies(yarn);
        // dim(32) = 128 ln(32768 / (64 pi)) / (2 ln 1e6) = 23.6, dim(1) = 39.65.
        double low = 128 * Math.Log(32768 / (32 * 2 * Math.PI)) / (2 * Math.Log(1e6)), high = 128 * Math.Log(32768 / (2 * Math.PI)) / (2 * Math.Log(1e6));
        Assert.Equal(23.6, low, 0.01);
        Assert.Equal(39.65, high, 0.01);
        if (truncate) (low, high) = (23, 40);
        for (int i = 0; i < 64; i++)
        {
            double ramp = Math.Clamp((i - low) / (high - low), 0, 1);
            Assert.Equal(before[i] / 4 * ramp + before[i] * (1 - ramp), after[i], 1e-15);
        }
        Assert.Equal(before[23], after[23], truncate ? 0.0 : 1e-15);
        Assert.Equal(before[40] / 4, after[40], 1e-15);
    }

    [Theory]
    [InlineData("""{"type": "yarn", "factor": 4}""", 1.138629436111989)]
    [InlineData("""{"type": "yarn", "factor": 4, "attn_factor": 2}""", 2.277258872223978)]
    [InlineData("""{"type": "yarn", "factor": 4, "attention_factor": 1.5}""", 1.5)]
    [InlineData("""{"type": "yarn", "factor": 40, "mscale": 1.0, "mscale_all_dim": 1.0}""", 1.0)]
    [InlineData("""{"type": "yarn", "factor": 0.5}""", 1.0)]
    public void Yarn_amplitude_is_read_from_the_configuration(string scaling, double expected)
    {
        ModelConfig config = ModelConfig.Parse(
            """{"architectures": ["X"], "hidden_size": 64, "intermediate_size": 64, "num_attention_heads": 1, "num_hidden_layers": 1, "vocab_size": 9, "rope_scaling": """ + scaling + "}");
        Assert.Equal(expected, config.Rope.Amplitude, 1e-12);
    }

    [Fact]
    public void A_table_row_holds_cosines_then_sines_times_the_amplitude()
    {
        var rope = new RopeConfig { RotaryDim = 8, Theta = 100, Amplitude = 1.25 };
        var table = new float[3 * 8];
        RotaryTable.Fill(rope, firstPosition: 41, table);
        for (int row = 0; row < 3; row++)
            for (int i = 0; i < 4; i++)
            {
                double angle = (41 + row) * Math.Pow(100, -2.0 * i / 8);
                Assert.Equal(1.25 * Math.Cos(angle), table[row * 8 + i], 1e-5);
                Assert.Equal(1.25 * Math.Sin(angle), table[row * 8 + 4 + i], 1e-5);
            }
    }
}
