using System.Diagnostics;
using System.Text;

namespace SgLang.Tokenization.Tests;

/// <summary>Measures, proves nothing: run with --explicit only.</summary>
public sealed class EncodingSpeed(ITestOutputHelper output)
{
    [Fact(Explicit = true)]
    public void Megabytes_per_second()
    {
        foreach (string name in (string[])["demo", "llama3_1", "qwen3", "deepseek_v3", "gptoss", "llama2", "gemma3"])
        {
            Measure(name);
        }
    }

    private void Measure(string name)
    {
        Tokenizer tokenizer = Golden.Tokenizer(name);
        string text = string.Concat(Directory.GetFiles(Path.Combine(TestPaths.Root, "managed", "SgLang.Tokenization"), "*.cs", SearchOption.AllDirectories).Where(path => !path.Contains("/obj/", StringComparison.Ordinal)).Order().Select(File.ReadAllText));
        double megabytes = Encoding.UTF8.GetByteCount(text) / 1e6;
        tokenizer.Encode(text, false);
        var times = new List<double>();
        int[] ids = [];
        for (int i = 0; i < 7; i++)
        {
            long start = Stopwatch.GetTimestamp();
            ids = tokenizer.Encode(text, false);
            times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        long begin = Stopwatch.GetTimestamp();
        string decoded = tokenizer.Decode(ids, false);
        double decode = Stopwatch.GetElapsedTime(begin).TotalSeconds;
        Assert.Equal(text.Length, decoded.Length);
        output.WriteLine($"{name}: {megabytes:F3} MB, {ids.Length} ids; encode {megabytes / times.Order().ElementAt(3):F1} MB/s (median of 7), decode {ids.Length / decode / 1e6:F2} M ids/s");
    }
}
