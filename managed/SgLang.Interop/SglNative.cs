using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SgLang.Interop;

/// <summary>The C ABI under its C names; the functions themselves are in Generated/. Callers write `Check(sgl_x(...))`.</summary>
public static unsafe partial class SglNative
{
    /// <summary>Throws <see cref="SglException"/> with the message of this thread's last failure unless the call succeeded.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Check(SglStatus status)
    {
        if (status != SglStatus.Ok)
        {
            ThrowLastError(status);
        }
    }

    /// <summary>NUL-terminated UTF-8 of the library as a string; null is the empty string.</summary>
    public static string Text(byte* utf8) => Marshal.PtrToStringUTF8((nint)utf8) ?? "";

    [DoesNotReturn]
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void ThrowLastError(SglStatus status)
    {
        string message = Text(sgl_last_error());
        throw new SglException(status, message.Length > 0 ? message : $"the native call failed with {status} and left no message");
    }
}
