using System.Globalization;
using SgLang.Tokenization;

namespace SgLang.Bench.OneBatch;

/// <summary>Prompts from a file, one a line, fitted to a batch.</summary>
internal static class CustomPrompts
{
    /// <summary>Null without a file; a file that is not there is said and counts as none.</summary>
    public static string[]? Read(string path, TextWriter output)
    {
        if (path.Length == 0) return null;
        if (!File.Exists(path))
        {
            output.WriteLine($"Custom prompt file {path} not found. Using default inputs...");
            return null;
        }
        string[] lines = File.ReadAllLines(path);
        return lines.Length > 0 ? lines : throw new BenchUsageException($"--prompt-filename: '{path}' is empty; give one prompt a line");
    }

    /// <summary>A line of token ids, separated by spaces or commas; <paramref name="line"/> counts from 0.</summary>
    public static int[] ParseIds(string text, int line, int vocabularySize)
    {
        string[] words = text.Split([' ', ','], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        int[] ids = new int[words.Length];
        for (int i = 0; i < words.Length; i++)
            if (!int.TryParse(words[i], NumberStyles.None, CultureInfo.InvariantCulture, out ids[i]) || ids[i] >= vocabularySize)
                throw new BenchUsageException($"--prompt-filename: '{words[i]}' in line {line + 1} is no token id: without a tokenizer, give ids from 0 to {vocabularySize - 1}");
        return ids.Length > 0 ? ids : throw new BenchUsageException($"--prompt-filename: line {line + 1} has no tokens");
    }

    /// <summary>The first of them, or the last repeated, and one line that says so.</summary>
    public static int[][] ForBatch(string[] prompts, int batch, Tokenizer tokenizer, TextWriter output)
    {
        if (prompts.Length > batch)
            output.WriteLine($"Custom input size ({prompts.Length}) is larger than batch_size ({batch}). Using the first {batch} prompts.");
        if (prompts.Length < batch)
            output.WriteLine($"Custom input size ({prompts.Length}) is smaller than batch_size ({batch}). Pad to the desired batch_size with the last prompt.");
        int[][] ids = new int[batch][];
        for (int i = 0; i < batch; i++)
        {
            string text = prompts[Math.Min(i, prompts.Length - 1)];
            ids[i] = tokenizer.Encode(text, addSpecialTokens: true);
            if (ids[i].Length == 0) throw new BenchUsageException($"--prompt-filename: line {Math.Min(i, prompts.Length - 1) + 1} has no tokens");
        }
        return ids;
    }
}
