using System.Globalization;
using System.Text.RegularExpressions;
using SgLang.Bench.Statistics;

namespace SgLang.Bench.Datasets;

/// <summary>Height and width in pixels of images that are made, or between what they are drawn.</summary>
public readonly partial record struct ImageResolution(int LeastHeight, int LeastWidth, int MostHeight, int MostWidth)
{
    private const int Largest = 16384;

    public static string Forms => "4k, 1080p, 720p, 360p, HEIGHTxWIDTH, or random:HxW-HxW with the smaller one first, sides of 1 to 16384 pixels";

    /// <exception cref="FormatException">It is none of <see cref="Forms"/>.</exception>
    public static ImageResolution Parse(string text)
    {
        switch (text)
        {
            case "4k": return Fixed(2160, 3840);
            case "1080p": return Fixed(1080, 1920);
            case "720p": return Fixed(720, 1280);
            case "360p": return Fixed(360, 640);
        }
        Match match = Sizes().Match(text);
        if (!match.Success || match.Groups["random"].Success != match.Groups["most"].Success) throw new FormatException(text);
        ImageResolution size = match.Groups["random"].Success
            ? new ImageResolution(Side(match, "h"), Side(match, "w"), Side(match, "mh"), Side(match, "mw"))
            : Fixed(Side(match, "h"), Side(match, "w"));
        return size.LeastHeight <= size.MostHeight && size.LeastWidth <= size.MostWidth ? size : throw new FormatException(text);
    }

    internal (int Height, int Width) Draw(NumpyRandom random) =>
        LeastHeight == MostHeight && LeastWidth == MostWidth ? (MostHeight, MostWidth)
        : (random.Integers(LeastHeight, MostHeight + 1, 1)[0], random.Integers(LeastWidth, MostWidth + 1, 1)[0]);

    private static ImageResolution Fixed(int height, int width) => new(height, width, height, width);

    private static int Side(Match match, string name) =>
        int.TryParse(match.Groups[name].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out int side) && side is > 0 and <= Largest ? side : throw new FormatException(match.Value);

    [GeneratedRegex("^(?<random>random:)?(?<h>[0-9]+)x(?<w>[0-9]+)(?<most>-(?<mh>[0-9]+)x(?<mw>[0-9]+))?$", RegexOptions.CultureInvariant)]
    private static partial Regex Sizes();
}
