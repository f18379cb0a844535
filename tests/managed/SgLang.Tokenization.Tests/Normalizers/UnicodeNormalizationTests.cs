using System.Globalization;
using SgLang.Tokenization.Normalizers;

namespace SgLang.Tokenization.Tests.Normalizers;

public sealed class UnicodeNormalizationTests
{
    /// <summary>Lines of Unicode's own NormalizationTest.txt: source; NFC; NFD; NFKC; NFKD.</summary>
    [Fact]
    public void All_forms_agree_with_the_conformance_test()
    {
        foreach (string line in File.ReadLines(Path.Combine(TestPaths.Root, "tests", "data", "tokenizers", "normalization_golden.txt")))
        {
            string[] c = [.. line.Split(';').Select(Parse)];
            foreach (string source in c[..3])
            {
                Assert.Equal((line, c[1]), (line, UnicodeNormalization.Normalize(source, UnicodeForm.Nfc)));
                Assert.Equal((line, c[2]), (line, UnicodeNormalization.Normalize(source, UnicodeForm.Nfd)));
            }

            foreach (string source in c)
            {
                Assert.Equal((line, c[3]), (line, UnicodeNormalization.Normalize(source, UnicodeForm.Nfkc)));
                Assert.Equal((line, c[4]), (line, UnicodeNormalization.Normalize(source, UnicodeForm.Nfkd)));
            }
        }
    }

    [Fact]
    public void Text_that_is_composed_already_is_returned_as_it_is()
    {
        const string Text = "naïve café 日本語 한국어 Ελληνικά 😀";
        Assert.Same(Text, UnicodeNormalization.Normalize(Text, UnicodeForm.Nfc));
    }

    /// <summary>The reason for our own tables. Should this fail one day, they can go.</summary>
    [Fact]
    public void The_runtime_does_not_normalize_in_this_mode() => Assert.Equal("e\u0301", "e\u0301".Normalize(System.Text.NormalizationForm.FormC));

    private static string Parse(string points) => string.Concat(points.Split(' ').Select(point => char.ConvertFromUtf32(int.Parse(point, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture))));
}
