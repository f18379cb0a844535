using System.Runtime.InteropServices;

namespace SgLang.Interop;

/// <summary>Compares the hash of the headers a library was built from with that of the headers these bindings came from.</summary>
internal static unsafe class AbiCheck
{
    public static void Verify(nint library, string path, ulong expected)
    {
        if (!NativeLibrary.TryGetExport(library, "sgl_abi_hash", out nint export))
        {
            throw new SglLibraryException($"{path} is not libsgl: it does not export sgl_abi_hash.");
        }
        ulong actual = ((delegate* unmanaged[Cdecl]<ulong>)export)();
        if (actual != expected)
        {
            throw new SglLibraryException(
                $"ABI mismatch: {path} was built from headers with hash 0x{actual:x16}, SgLang.Interop was generated from headers " +
                $"with hash 0x{expected:x16}. Rebuild both from one checkout with ./build.sh (after changing a header, run " +
                "./build.sh bindings first).");
        }
    }
}
