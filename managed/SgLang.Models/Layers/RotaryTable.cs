namespace SgLang.Models.Layers;

/// <summary>The arithmetic of rotary embeddings: frequencies of every scaling type and the table that `sgl_rope` reads. Pure functions.</summary>
public static class RotaryTable
{
    /// <summary>Angle per position of each rotated pair, [rotary_dim / 2], scaling applied.</summary>
    public static double[] InverseFrequencies(RopeConfig rope)
    {
        double[] inverse = Base(rope.Theta, rope.RotaryDim);
        switch (rope.Type)
        {
            case RopeType.Linear:
                for (int i = 0; i < inverse.Length; i++) inverse[i] /= rope.Factor;
                return inverse;
            case RopeType.Dynamic:
                return Base(DynamicTheta(rope), rope.RotaryDim);
            case RopeType.Llama3:
                for (int i = 0; i < inverse.Length; i++) inverse[i] = Llama3(rope, inverse[i]);
                return inverse;
            case RopeType.Yarn:
                Yarn(rope, inverse);
                return inverse;
            default:
                return inverse;
        }
    }

    /// <summary>f32 [max_positions, rotary_dim]: in each row rotary_dim / 2 cosines, then as many sines, of position * frequency.</summary>
    /// <remarks>Frequencies and angles are rounded to float32 as the reference does; cosines and sines are taken of that angle in double.</remarks>
    public static void Fill(RopeConfig rope, int firstPosition, Span<float> table)
    {
        double[] inverse = InverseFrequencies(rope);
        int half = inverse.Length;
        for (int row = 0; row < table.Length / rope.RotaryDim; row++)
        {
            Span<float> values = table.Slice(row * rope.RotaryDim, rope.RotaryDim);
            for (int i = 0; i < half; i++)
            {
                float angle = (firstPosition + row) * (float)inverse[i];
                values[i] = (float)(Math.Cos(angle) * rope.Amplitude);
                values[half + i] = (float)(Math.Sin(angle) * rope.Amplitude);
            }
        }
    }

    /// <summary>theta^(-2i / dim).</summary>
    private static double[] Base(double theta, int dim)
    {
        var inverse = new double[dim / 2];
        for (int i = 0; i < inverse.Length; i++) inverse[i] = Math.Pow(theta, -2.0 * i / dim);
        return inverse;
    }

    /// <summary>NTK-aware base at the longest length, factor * original: theta ((factor * length / original) - (factor - 1))^(d / (d - 2)).</summary>
    private static double DynamicTheta(RopeConfig rope)
    {
        double longest = rope.OriginalMaxPositions * rope.Factor;
        double stretch = rope.Factor * longest / rope.OriginalMaxPositions - (rope.Factor - 1);
        return rope.Theta * Math.Pow(stretch, rope.RotaryDim / (rope.RotaryDim - 2.0));
    }

    private static double Llama3(RopeConfig rope, double inverse)
    {
        double wavelength = 2 * Math.PI / inverse;
        double original = rope.OriginalMaxPositions;
        if (wavelength < original / rope.HighFreqFactor) return inverse;
        if (wavelength > original / rope.LowFreqFactor) return inverse / rope.Factor;
        double smooth = (original / wavelength - rope.LowFreqFactor) / (rope.HighFreqFactor - rope.LowFreqFactor);
        return (1 - smooth) * inverse / rope.Factor + smooth * inverse;
    }

    /// <summary>Interpolates low frequencies, keeps high ones: section 3.2 of https://arxiv.org/abs/2309.00071.</summary>
    private static void Yarn(RopeConfig rope, double[] inverse)
    {
        double low = DimensionOf(rope.BetaFast), high = DimensionOf(rope.BetaSlow);
        if (rope.Truncate) (low, high) = (Math.Floor(low), Math.Ceiling(high));
        low = Math.Max(low, 0);
        high = Math.Min(high, rope.RotaryDim - 1);
        if (low == high) high += 0.001;
        for (int i = 0; i < inverse.Length; i++)
        {
            double ramp = Math.Clamp((i - low) / (high - low), 0, 1);
            inverse[i] = inverse[i] / rope.Factor * ramp + inverse[i] * (1 - ramp);
        }

        // The pair that turns `rotations` times over the original length.
        double DimensionOf(double rotations) =>
            rope.RotaryDim * Math.Log(rope.OriginalMaxPositions / (rotations * 2 * Math.PI)) / (2 * Math.Log(rope.Theta));
    }
}
