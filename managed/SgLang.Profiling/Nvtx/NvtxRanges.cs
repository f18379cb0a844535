using SgLang.Interop;

namespace SgLang.Profiling;

/// <summary>Ranges for the tool that NVTX_INJECTION64_PATH names, of the default domain, on the calling thread.</summary>
public static unsafe class NvtxRanges
{
    /// <summary>Whether a tool listens; without one ranges do nothing.</summary>
    public static bool IsActive => SglNative.sgl_nvtx_is_active() != 0;

    /// <param name="text">UTF-8 with a NUL at its end.</param>
    /// <param name="argb">0 for no colour.</param>
    public static void Push(ReadOnlySpan<byte> text, uint argb = 0)
    {
        if (text.Length == 0 || text[^1] != 0) throw new ArgumentException("the text of a range ends with a NUL");
        fixed (byte* data = text) SglNative.sgl_nvtx_push(data, argb);
    }

    public static void Pop() => SglNative.sgl_nvtx_pop();
}
