using System.Globalization;
using System.Text;

namespace SgLang.Tokenization.Normalizers;

internal enum UnicodeForm { Nfc, Nfd, Nfkc, Nfkd }

/// <summary>
/// Unicode normalization forms (UAX 15). Our own, because string.Normalize returns its input unchanged under InvariantGlobalization, which this
/// program runs with. Data: UnicodeNormalization.txt, Unicode 15. Linear in time but for the ordering of each run of marks (n log n).
/// </summary>
internal static class UnicodeNormalization
{
    private const int HangulBase = 0xAC00, LeadBase = 0x1100, VowelBase = 0x1161, TrailBase = 0x11A7;
    private const int LeadCount = 19, VowelCount = 21, TrailCount = 28, HangulCount = LeadCount * VowelCount * TrailCount;

    /// <summary>Below it every code point is its own NFC and no mark.</summary>
    private const char FirstInteresting = '\u0300';

    private static readonly Lazy<Data> s_data = new(Load);

    public static string Normalize(string text, UnicodeForm form)
    {
        bool composes = form is UnicodeForm.Nfc or UnicodeForm.Nfkc;
        if (Ascii.IsValid(text) || form == UnicodeForm.Nfc && !text.AsSpan().ContainsAnyExceptInRange('\0', (char)(FirstInteresting - 1)))
        {
            return text;
        }

        Data data = s_data.Value;
        if (form == UnicodeForm.Nfc && IsSurelyComposed(text, data))
        {
            return text;
        }

        bool compatible = form is UnicodeForm.Nfkc or UnicodeForm.Nfkd;
        var points = new List<int>(text.Length + 16);
        foreach (Rune rune in text.EnumerateRunes())
        {
            Decompose(rune.Value, compatible, data, points);
        }

        OrderMarks(points, data);
        if (composes)
        {
            Compose(points, data);
        }

        var result = new StringBuilder(points.Count);
        foreach (int point in points)
        {
            _ = point < 0x10000 ? result.Append((char)point) : result.Append(char.ConvertFromUtf32(point));
        }

        return result.ToString();
    }

    /// <summary>The quick check: nothing here could compose, reorder or be replaced.</summary>
    private static bool IsSurelyComposed(string text, Data data)
    {
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (rune.Value >= FirstInteresting && data.NotSurelyNfc.Contains(rune.Value))
            {
                return false;
            }
        }

        return true;
    }

    private static void Decompose(int point, bool compatible, Data data, List<int> output)
    {
        int syllable = point - HangulBase;
        if ((uint)syllable < HangulCount)
        {
            output.Add(LeadBase + syllable / (VowelCount * TrailCount));
            output.Add(VowelBase + syllable % (VowelCount * TrailCount) / TrailCount);
            if (syllable % TrailCount != 0)
            {
                output.Add(TrailBase + syllable % TrailCount);
            }
        }
        else if (point >= 0x80 && data.Decompositions.TryGetValue(point, out (bool IsCompatible, int[] Points) entry) && (compatible || !entry.IsCompatible))
        {
            foreach (int part in entry.Points)
            {
                Decompose(part, compatible, data, output);
            }
        }
        else
        {
            output.Add(point);
        }
    }

    /// <summary>Sorts each run of marks by combining class, keeping the order of equals.</summary>
    private static void OrderMarks(List<int> points, Data data)
    {
        var keys = new List<(int Class, int Order, int Point)>();
        for (int i = 0; i < points.Count;)
        {
            keys.Clear();
            int end = i;
            while (end < points.Count && data.ClassOf(points[end]) is var markClass and > 0)
            {
                keys.Add((markClass, end, points[end]));
                end++;
            }

            if (keys.Count > 1)
            {
                keys.Sort();
                for (int k = 0; k < keys.Count; k++)
                {
                    points[i + k] = keys[k].Point;
                }
            }

            i = Math.Max(end, i + 1);
        }
    }

    private static void Compose(List<int> points, Data data)
    {
        int starter = -1;
        int lastClass = 0;
        int kept = 0;
        for (int i = 0; i < points.Count; i++)
        {
            int point = points[i];
            int markClass = data.ClassOf(point);
            bool isBlocked = starter < 0 || kept - 1 != starter && (lastClass >= markClass || lastClass == 0);
            if (!isBlocked && TryCompose(points[starter], point, data, out int composed))
            {
                points[starter] = composed;
                continue;
            }

            if (markClass == 0)
            {
                starter = kept;
            }

            lastClass = markClass;
            points[kept++] = point;
        }

        points.RemoveRange(kept, points.Count - kept);
    }

    private static bool TryCompose(int first, int second, Data data, out int composed)
    {
        if ((uint)(first - LeadBase) < LeadCount && (uint)(second - VowelBase) < VowelCount)
        {
            composed = HangulBase + ((first - LeadBase) * VowelCount + second - VowelBase) * TrailCount;
            return true;
        }

        if ((uint)(first - HangulBase) < HangulCount && (first - HangulBase) % TrailCount == 0 && second - TrailBase is > 0 and < TrailCount)
        {
            composed = first + second - TrailBase;
            return true;
        }

        return data.Compositions.TryGetValue((first, second), out composed);
    }

    private static Data Load()
    {
        var data = new Data();
        using Stream stream = typeof(UnicodeNormalization).Assembly.GetManifestResourceStream("UnicodeNormalization.txt")!;
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            string[] fields = line.Split(';');
            int point = Hex(fields[0]);
            if (fields[1] != "0")
            {
                data.Classes[point] = byte.Parse(fields[1], CultureInfo.InvariantCulture);
                data.NotSurelyNfc.Add(point);
            }

            if (fields[2].Length == 0)
            {
                continue;
            }

            int[] parts = [.. fields[3].Split(' ').Select(Hex)];
            data.Decompositions[point] = (fields[2] == "k", parts);
            if (fields[2] == "c")
            {
                data.Compositions[(parts[0], parts[1])] = point;
                data.NotSurelyNfc.Add(parts[1]);
            }
            else if (fields[2] == "e")
            {
                data.NotSurelyNfc.Add(point);
            }
        }

        for (int jamo = VowelBase; jamo < TrailBase + TrailCount; jamo++)
        {
            data.NotSurelyNfc.Add(jamo);
        }

        return data;
    }

    private static int Hex(string digits) => int.Parse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    private sealed class Data
    {
        public Dictionary<int, byte> Classes { get; } = [];
        public Dictionary<int, (bool IsCompatible, int[] Points)> Decompositions { get; } = [];
        public Dictionary<(int First, int Second), int> Compositions { get; } = [];

        /// <summary>Marks, second halves of compositions, and what NFC replaces.</summary>
        public HashSet<int> NotSurelyNfc { get; } = [];

        public int ClassOf(int point) => point < FirstInteresting ? 0 : Classes.GetValueOrDefault(point);
    }
}
