using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;
using SgLang.Bench.Reports;
using SgLang.Engine;

namespace SgLang.Bench.OneBatch;

/// <summary>
/// Prefill in two parts, then greedy decoding, with logits and text printed, to be compared with a reference implementation
/// (spec/benchmarks.md 3.4), or compared with one that an earlier test stored.
/// </summary>
public static class CorrectnessTest
{
    // The misspelling is upstream's: changed text would give other logits than a reference's log.
    private static readonly string[] s_prompts = ["The capital of France is", "The capital of the United Kindom is", "Today is a sunny day and I like"];

    /// <summary>Texts of prompt and output, in the order of the prompts.</summary>
    public static IReadOnlyList<string> Run(OneBatchOptions options, TextWriter output, Action<string, long, long>? progress = null, ILogger? logger = null)
    {
        ResultFile.CheckWritable("--save-reference", options.SaveReference);
        ResultFile.CheckWritable("--save-logits", options.SaveLogits);
        string[] prompts = CustomPrompts.Read(options.PromptFile, output) is { } lines ? lines[..Math.Min(lines.Length, options.BatchSizes[0])] : s_prompts;
        int mostTokens = prompts.Sum(text => Encoding.UTF8.GetByteCount(text) + 2);
        using StaticBatch model = StaticBatch.Load(options.Engine, prompts.Length, mostTokens, progress, logger);
        output.WriteLine($"max_total_num_tokens={model.Info.MaxTotalTokens}");
        int[][] ids = Encode(prompts, model, options);
        for (int i = 0; i < ids.Length; i++)
            if (ids[i].Length <= options.CutLength)
                throw new BenchUsageException($"--cut-len must be less than the tokens of every prompt; prompt {i} has {ids[i].Length}, --cut-len is {options.CutLength}");
        output.WriteLine($"\ninput_ids=[{string.Join(", ", ids.Select(row => $"[{string.Join(", ", row)}]"))}]\n");

        int outputLength = options.OutputLengths[0];
        using LogitsFile? file = options.SaveLogits.Length == 0 ? null : LogitsFile.Create(options.SaveLogits, ids.Length, model.Info.VocabularySize, outputLength, options.CutLength > 0);
        model.Begin(ids, outputLength);
        if (options.CutLength > 0)
        {
            float[][] first = model.PrefillLogits(options.CutLength);
            file?.Add(first);
            output.WriteLine($"prefill logits (first half): {Matrix(first)} \n");
        }
        float[][] logits = model.PrefillLogits();
        file?.Add(logits);
        output.WriteLine($"prefill logits (final): {Matrix(logits)} \n");

        // Ties go to the smallest id, as the sampler breaks them.
        List<int>[] sequences = [.. ids.Select((row, i) => new List<int>([.. row, Array.IndexOf(logits[i], logits[i].Max())]))];
        for (int step = 1; step < outputLength; step++)
        {
            if (file is null) model.Decode();
            else file.Add(model.DecodeLogits());
            for (int i = 0; i < sequences.Length; i++) sequences[i].Add(model.LastIds[i]);
        }
        file?.End([.. sequences.Select((row, i) => row.Skip(ids[i].Length).ToArray())]);
        string[] texts = [.. sequences.Select(row => model.Tokenizer?.Decode([.. row], skipSpecialTokens: false) ?? string.Join(' ', row))];
        for (int i = 0; i < texts.Length; i++)
        {
            output.WriteLine($"========== Prompt {i} ==========");
            output.WriteLine(texts[i]);
        }
        if (options.SaveReference.Length > 0) CorrectnessReference.Save(options.SaveReference, ids, logits, sequences);
        if (options.Reference.Length > 0)
        {
            double largest = CorrectnessReference.Compare(options.Reference, options.ReferenceTolerance, ids, logits, sequences);
            output.WriteLine(FormattableString.Invariant($"Equal to {options.Reference}: the largest difference of a logit is {largest:G3}."));
        }
        return texts;
    }

    /// <summary>Without a tokenizer, prompts are ids.</summary>
    private static int[][] Encode(string[] prompts, StaticBatch model, OneBatchOptions options)
    {
        if (model.Tokenizer is { } tokenizer) return [.. prompts.Select(text => tokenizer.Encode(text, addSpecialTokens: true))];
        if (options.PromptFile.Length == 0 || !File.Exists(options.PromptFile))
            throw new BenchUsageException($"--correctness-test needs a tokenizer, and {model.Info.ModelPath} has none; name one with --tokenizer-path, or give token ids in --prompt-filename");
        return [.. prompts.Select((line, i) => CustomPrompts.ParseIds(line, i, model.Info.VocabularySize))];
    }

    /// <summary>The first and last three logits of each row, as a tensor library abbreviates them.</summary>
    internal static string Matrix(float[][] rows)
    {
        const int Ends = 3;
        return $"[{string.Join(",\n ", rows.Select(row => row.Length <= 2 * Ends
            ? $"[{Join(row)}]"
            : $"[{Join(row[..Ends])}, ..., {Join(row[^Ends..])}]"))}]";

        static string Join(float[] values) => string.Join(", ", values.Select(value => value.ToString("F4", CultureInfo.InvariantCulture)));
    }
}
