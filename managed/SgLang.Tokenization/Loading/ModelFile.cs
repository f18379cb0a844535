using System.Text.Json;

namespace SgLang.Tokenization.Loading;

/// <summary>Reading of a model's files. Every error names the file.</summary>
internal static class ModelFile
{
    private static readonly JsonDocumentOptions s_options = new() { MaxDepth = 64 };

    /// <summary>Null when there is no such file.</summary>
    public static byte[]? ReadBytes(string path)
    {
        try
        {
            return File.Exists(path) ? File.ReadAllBytes(path) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TokenizerException($"{path} cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Null when there is no such file.</summary>
    public static T? ReadJson<T>(string path, Func<JsonElement, T> read)
        where T : class
    {
        if (ReadBytes(path) is not { } bytes)
        {
            return null;
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(WithoutMark(bytes), s_options);
            return read(document.RootElement);
        }
        catch (JsonException e)
        {
            throw new TokenizerException($"{path} is not valid JSON (truncated or damaged?): {e.Message}", e);
        }
        catch (Exception e) when (e is TokenizerException or InvalidOperationException)
        {
            // InvalidOperationException: a string with a broken escape, found only when it is read.
            throw new TokenizerException($"{path}: {e.Message}", e);
        }
    }

    private static ReadOnlyMemory<byte> WithoutMark(byte[] bytes) => bytes.AsSpan().StartsWith("\uFEFF"u8) ? bytes.AsMemory(3) : bytes;
}
